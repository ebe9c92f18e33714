import { describe, expect, it } from 'vitest';
import type { Endpoint } from '../../../src/core/index.ts';
import { GuestEndpoint } from '../../../src/transport/guest-endpoint.ts';

const { signal } = new AbortController();

function addresses(...answers: readonly (string | Error)[]) {
  const asked: number[] = [];
  return {
    asked,
    address: async () => {
      const answer = answers[asked.push(asked.length) - 1] ?? new Error('asked too often');
      if (answer instanceof Error) throw answer;
      return answer;
    },
  };
}

function tunnels(isForbidden: boolean) {
  const opened: Endpoint[] = [];
  const tunnel = async (target: Endpoint) => {
    opened.push(target);
    return { endpoint: { host: '127.0.0.1', port: 4022 }, isForbidden, [Symbol.asyncDispose]: async () => {} };
  };
  return { opened, tunnel };
}

describe('the endpoint of a guest on another host', () => {
  it('is its address where this host reaches it, asked for until it is known and never again', async () => {
    const { asked, address } = addresses(new Error('not yet'), '10.0.0.7');
    const guest = new GuestEndpoint({ place: 'esx', address, tunnel: undefined });
    await expect(guest.get(signal)).rejects.toThrow('not yet');
    expect(await guest.get(signal)).toEqual({ host: '10.0.0.7', port: 22 });
    expect(await guest.get(signal)).toEqual({ host: '10.0.0.7', port: 22 });
    expect(asked).toHaveLength(2);
  });

  it('is a tunnel through that host otherwise, opened once', async () => {
    const { opened, tunnel } = tunnels(false);
    const guest = new GuestEndpoint({ place: 'esx', address: addresses('10.0.0.7').address, tunnel });
    expect(await guest.get(signal)).toEqual({ host: '127.0.0.1', port: 4022 });
    expect(await guest.get(signal)).toEqual({ host: '127.0.0.1', port: 4022 });
    expect(opened).toEqual([{ host: '10.0.0.7', port: 22 }]);
  });

  it('is an error when that host forwards nothing', async () => {
    const { tunnel } = tunnels(true);
    const guest = new GuestEndpoint({ place: 'root@esx', address: addresses('10.0.0.7').address, tunnel });
    await expect(guest.get(signal)).rejects.toMatchObject({
      code: 'KIB_HOST_UNREACHABLE',
      message: 'the SSH server of root@esx forwards no connections to guests',
    });
  });
});
