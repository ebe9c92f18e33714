import { describe, expect, it } from 'vitest';
import type { RunningMachine } from '../../../src/core/index.ts';
import { waitForGuest } from '../../../src/engine/boot-wait.ts';
import { sshLost } from '../../../src/transport/errors.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { testContext } from '../../support/test-context.ts';

const endpoint = { host: '127.0.0.1', port: 22 };

describe('a console that tells late', () => {
  it.each([
    [0, 31_000],
    [240_000, 271_000],
  ])('of %d ms makes a silent boot fail within %d ms', async (lagMs, latest) => {
    const clock = new FakeClock();
    await using context = await testContext({ clock });
    const machine: RunningMachine = {
      id: 'silent',
      slowness: 1,
      exited: new Promise<never>(() => {}),
      endpoint: async () => Promise.resolve(endpoint),
      console: { path: '', lagMs, lines: async function* () {}, tail: async () => Promise.resolve([]) },
      shutdown: async () => Promise.reject(new Error('is not shut down')),
      release: async () => {},
      [Symbol.asyncDispose]: async () => {},
    };
    const started = clock.now();
    const connect = async () => Promise.reject(sshLost(endpoint, 'nobody', 'none'));
    const credentials = { username: 'kib', privateKey: '', hostKey: '' };
    await expect(clock.run(waitForGuest(machine, credentials, context, { connect }))).rejects.toMatchObject({
      code: 'KIB_BOOT_TIMEOUT',
    });
    expect(clock.now() - started).toBeGreaterThanOrEqual(latest - 1500);
    expect(clock.now() - started).toBeLessThanOrEqual(latest);
  });
});
