import { PassThrough } from 'node:stream';
import { beforeAll, describe, expect, it } from 'vitest';
import { lineFrom } from '../../../src/cli/line-from.ts';
import { cli } from '../../support/cli.ts';
import { fakePrograms } from '../../support/house.ts';
import { fakeRegistry } from '../../support/images.ts';

beforeAll(fakePrograms);

const image = (name: string) => `
image: debian13
name: ${name}
base: { file: base.raw, format: raw }
formats: [raw]
without: [node, containerd, kubernetes]
provision:
  - breakpoint: look around
`;
const files = { 'one.yaml': image('one'), 'two.yaml': image('two'), 'base.raw': Buffer.alloc(1 << 20) };

describe('a breakpoint on a terminal', () => {
  it('says how to log in and goes on at Enter, one build after the other', async () => {
    let waiting = 0;
    let most = 0;
    const enter = async () => {
      most = Math.max(most, ++waiting);
      await new Promise((resolve) => setImmediate(resolve));
      waiting--;
    };
    const { registry } = fakeRegistry();
    const argv = ['build', 'one.yaml', 'two.yaml', '--parallel', '2', '--no-verify'];
    const { code, stderr } = await cli(argv, { files, registry, isInteractive: true, enter });
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(/^one: paused: look around\nin another terminal: kib-native ssh \S+-one-\w+\nEnter goes on/m);
    expect(stderr).toMatch(/^two: paused: look around$/m);
    expect(most).toBe(1);
  });

  it.each([
    ['without a terminal', { isInteractive: false }, []],
    ['with --json', { isInteractive: true }, ['--json']],
  ])('is refused %s', async (_, io, args) => {
    const { registry, fake } = fakeRegistry();
    const given = { files, registry, ...io, enter: () => Promise.reject(new Error('was asked')) };
    const { code, stderr } = await cli(['build', 'one.yaml', '--no-verify', ...args], given);
    expect(code).toBe(3);
    expect(stderr).toMatch(/KIB_BREAKPOINT.*a breakpoint needs a terminal/);
    expect(fake.running.size).toBe(0);
  });

  it('is skipped when asked for', async () => {
    const { registry } = fakeRegistry();
    const { code, stderr } = await cli(['build', 'one.yaml', '--no-verify', '--on-breakpoint', 'skip'], { files, registry });
    expect(code, stderr).toBe(0);
  });
});

describe('lineFrom', () => {
  const never = new AbortController().signal;

  it('takes one line, and another one next time', async () => {
    const input = new PassThrough();
    input.write('\n');
    await lineFrom(input, never);
    const next = lineFrom(input, never);
    input.write('go on\n');
    await next;
    expect(input.listenerCount('data')).toBe(0);
  });

  it('ends with the input and with the signal', async () => {
    const ended = new PassThrough();
    ended.end();
    await expect(lineFrom(ended, never)).rejects.toMatchObject({ code: 'KIB_BREAKPOINT' });
    const controller = new AbortController();
    const waiting = lineFrom(new PassThrough(), controller.signal);
    controller.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    await expect(lineFrom(new PassThrough(), controller.signal)).rejects.toThrow('enough');
  });
});
