import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type StartedBin, startBin } from '../support/bin.ts';
import { root } from '../support/sources.ts';

/** Three images whose machines run nothing and never answer; with `stuck` they cannot be got rid of. */
const images = (stuck: boolean) => `
  import { z } from ${JSON.stringify(join(root, 'node_modules/zod/index.js'))};

  const never = () => new Promise(() => {});
  let count = 0;
  export const drivers = [{
    name: 'silent',
    summary: 'machines that never answer',
    options: z.strictObject({}),
    capabilities: { arch: ['amd64'], firmware: ['uefi'], formats: ['raw'], console: false, screenshot: false },
    doctor: async () => [],
    preview: () => [],
    launch: async () => ({
      id: 'silent-' + ++count,
      slowness: 1,
      exited: never(),
      endpoint: never,
      shutdown: never,
      release: never,
      [Symbol.asyncDispose]: ${stuck ? 'never' : 'async () => {}'},
    }),
    reap: async () => 'gone',
  }];
  export default ['one', 'two', 'three'].map((name) => ({
    image: 'debian13',
    name,
    driver: 'silent',
    base: { file: 'base.raw', format: 'raw' },
    formats: ['raw'],
    without: ['node', 'containerd', 'cni', 'kubernetes', 'guest-agent', 'cloud-init', 'prepull'],
  }));
`;

async function start(stuck: boolean) {
  const files = { 'images.ts': images(stuck), 'base.raw': new Uint8Array(1 << 20) };
  const bin = await startBin(['build', 'images.ts', '--parallel', '2', '--cache', 'off'], files);
  let stderr = '';
  bin.child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return { ...bin, stderr: () => stderr };
}

/** Waits until standard error has so many matches; fails when the program ends first. */
async function until(
  { child, exited, stderr }: StartedBin & { stderr: () => string },
  pattern: RegExp,
  count: number,
): Promise<void> {
  const matches = () => stderr().match(pattern)?.length ?? 0;
  const seen = new Promise<void>((resolve) => {
    const look = () => {
      if (matches() >= count) resolve();
    };
    child.stderr.on('data', look);
    look();
  });
  await Promise.race([
    seen,
    exited.then(() => {
      throw new Error(`ended before ${pattern} came ${count} times:\n${stderr()}`);
    }),
  ]);
}

describe('builds at once, interrupted', () => {
  it('clean up, each of them, and leave out those that wait', async () => {
    const run = await start(false);
    await until(run, /begin {3}wait for the guest$/gm, 2);
    run.child.kill('SIGINT');
    expect(await run.exited).toEqual([130, null]);
    expect(run.stderr()).toMatch(/^(one|two): error KIB_CANCELLED: interrupted by SIGINT$/m);
    expect(run.stderr()).toMatch(/\nof 3 images 2 interrupted: one, two; 1 not started: three\n$/);
    expect(await readdir(join(run.home, '.cache/kib-native/work'))).toEqual([]);
    expect(await readdir(join(run.home, '.local/state/kib-native/builds'))).toHaveLength(2);
    await expect(readdir(join(run.home, 'output'))).rejects.toThrow('ENOENT');
  });

  it('twice, say what each of them still holds', async () => {
    const run = await start(true);
    await until(run, /begin {3}wait for the guest$/gm, 2);
    run.child.kill('SIGINT');
    await until(run, /\(begin clean up\)$/gm, 2);
    run.child.kill('SIGINT');
    expect(await run.exited).toEqual([130, null]);
    const ids = await readdir(join(run.home, '.local/state/kib-native/builds'));
    expect(new Set(ids.map((id) => id.split('-')[2]))).toEqual(new Set(['one', 'two']));
    const told = /SIGINT: left behind:\n([\s\S]*)hint: kib-native gc\n$/.exec(run.stderr())?.[1]?.trimEnd().split('\n');
    for (const id of ids) {
      const work = join(run.home, '.cache/kib-native/work', id);
      const line = told?.find((text) => text.startsWith(`  ${id}: machine silent-`));
      expect(line, run.stderr()).toContain(`folder ${work}`);
    }
    expect(told).toHaveLength(2);
  });
});
