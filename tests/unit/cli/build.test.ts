import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { LiveBuild } from '../../../src/cli/io.ts';
import { main } from '../../../src/cli/main.ts';
import { type Driver, KibError } from '../../../src/core/index.ts';
import { cli } from '../../support/cli.ts';
import { qemu, testRegistry } from '../../support/registry.ts';
import { workspace } from '../../support/workspace.ts';

/** Builds on a terminal until `act`, called with the live build and what the terminal got so far, has returned. */
async function interrupted(act: (build: LiveBuild, seen: () => string) => Promise<void> | void, env = {}) {
  const cwd = await workspace();
  const interrupt = new AbortController();
  let live: LiveBuild | undefined;
  let stderr = '';
  const doctor: Driver['doctor'] = async () => {
    if (live === undefined) throw new Error('the build was not announced');
    await act(live, () => stderr);
    interrupt.abort(new KibError('KIB_CANCELLED', 'interrupted by the test'));
    return [];
  };
  const code = await main(
    ['build', 'debian13'],
    {
      stdout: { write: () => true },
      stderr: {
        isTTY: true,
        columns: 80,
        write: (text) => {
          stderr += text;
        },
      },
      env: { HOME: join(cwd, 'home'), ...env },
      cwd,
      signal: interrupt.signal,
      isInteractive: false,
      isRoot: false,
      onBuild: (build) => {
        live = build;
      },
    },
    () => Promise.resolve({ ...testRegistry, drivers: [{ ...qemu, doctor }] }),
  );
  return { code, stderr, live };
}

describe('an interrupted build', () => {
  it('says things above its live lines', async () => {
    const { code, stderr, live } = await interrupted((build) => build.say('cleaning up'), { NO_COLOR: '1' });
    expect({ code, live }).toEqual({ code: 130, live: undefined });
    expect(stderr).toMatch(/cleaning up\n[\s\S]*error KIB_CANCELLED: interrupted by the test\n$/);
  });

  it('names what is left when it is not waited for, and writes what it still had to say', async () => {
    let left: readonly string[] = [];
    let before = '';
    await interrupted((build, seen) => {
      build.say('leaving');
      left = build.leave();
      before = seen();
    });
    expect(left).toEqual([expect.stringMatching(/^folder .*\/home\/.cache\/kib-native\/work\//)]);
    expect(before).toContain('leaving\n');
  });

  it('sends no control sequences to a dumb terminal', async () => {
    const { stderr } = await interrupted((build) => build.say('cleaning up'), { TERM: 'dumb' });
    expect(stderr).toContain('Z cleaning up\n');
    expect(stderr).not.toContain('\u001B');
  });
});

describe('several images', () => {
  const poor: Driver = {
    ...qemu,
    doctor: () => Promise.resolve([{ name: 'QEMU', status: 'missing', detail: 'not installed' }]),
  };
  const registry = () => Promise.resolve({ ...testRegistry, drivers: [poor] });
  const args = ['build', 'debian13', 'rocky10'];

  it('starts none while one of them has no free output folder', async () => {
    const { code, stderr, cwd } = await cli(args, { registry, files: { 'output/rocky10-kube-v1.36.4/manifest.json': '{}' } });
    expect(code).toBe(2);
    expect(stderr).toMatch(/^error KIB_OUTPUT_EXISTS: .*rocky10-kube-v1\.36\.4 already holds an image\nhint: .*\n$/);
    expect(await readdir(cwd)).toEqual(['output']);
  });

  it('tries all of them and ends with the names of those that failed', async () => {
    const { code, stderr } = await cli(args, { registry });
    expect(code).toBe(3);
    expect(stderr.match(/error KIB_TOOL_MISSING/g)).toHaveLength(2);
    expect(stderr).toMatch(/\n2 of 2 images failed: debian13-kube-\S+, rocky10-kube-\S+\n$/);
  });
});
