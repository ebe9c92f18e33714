import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { LiveBuilds } from '../../../src/cli/io.ts';
import { main } from '../../../src/cli/main.ts';
import { type BuildEvent, type Driver, KibError } from '../../../src/core/index.ts';
import { cli } from '../../support/cli.ts';
import { fakePrograms } from '../../support/house.ts';
import { fakeRegistry } from '../../support/images.ts';
import { qemu, testRegistry } from '../../support/registry.ts';
import { workspace } from '../../support/workspace.ts';

/** Builds on a terminal until `act`, called with the live build and what the terminal got so far, has returned. */
async function interrupted(act: (build: LiveBuilds, seen: () => string) => Promise<void> | void, env = {}) {
  const cwd = await workspace();
  const interrupt = new AbortController();
  let live: LiveBuilds | undefined;
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
      onBuilds: (build) => {
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
    let left: ReturnType<LiveBuilds['leave']> = [];
    let before = '';
    await interrupted((build, seen) => {
      build.say('leaving');
      left = build.leave();
      before = seen();
    });
    const folder = expect.stringMatching(/^folder .*\/home\/.cache\/kib-native\/work\//);
    expect(left).toEqual([{ build: expect.stringMatching(/-debian13-[0-9a-f]{4}$/), held: [folder] }]);
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
    const { code, stderr, cwd } = await cli(args, { registry, files: { 'output/rocky10-kube-v1.36.4/disk.raw': '' } });
    expect(code).toBe(2);
    expect(stderr).toMatch(/^error KIB_OUTPUT_EXISTS: .*rocky10-kube-v1\.36\.4 already holds an image\nhint: .*\n$/);
    expect(await readdir(cwd)).toEqual(['output']);
  });

  it('tries all of them and ends with the names of those that failed', async () => {
    const { code, stderr } = await cli(args, { registry });
    expect(code).toBe(3);
    expect(stderr.match(/error KIB_TOOL_MISSING/g)).toHaveLength(2);
    expect(stderr).toMatch(/\nof 2 images 2 failed: debian13, rocky10\n$/);
  });
});

describe('builds at once', () => {
  beforeAll(fakePrograms);

  const image = (name: string, more = '') => `image: debian13\nname: ${name}\nbase: { file: base.raw, format: raw }\n${more}`;
  const files = {
    'base.raw': new Uint8Array(1 << 20),
    'one.yaml': image('one'),
    'three.yaml': image('three'),
    'two.yaml': image('two', 'provision:\n  - shell: echo last words; exit 3\n    name: break\n'),
  };
  const FAKE = ['--driver', 'fake', '--format', 'raw', '--no-verify', '--cache', 'off', '--without', 'kubernetes'];
  const args = ['build', 'one.yaml', 'two.yaml', 'three.yaml', ...FAKE];

  it('show each line under its image, then the reports, then what failed', async () => {
    const { registry } = fakeRegistry();
    const { code, stdout, stderr, cwd } = await cli([...args, '--parallel', '2'], { files, registry });
    expect(code, stderr).toBe(7);
    const live = stderr.split('\n').filter((line) => /^\d\d:/.test(line));
    for (const line of live) expect(line).toMatch(/^\S+Z (one {2}|two {2}|three) {2}\S?/);
    expect(live.filter((line) => / build (ok|FAILED) /.test(line)).map((line) => line.slice(10, 27))).toEqual(
      expect.arrayContaining(['one    build ok  ', 'two    build FAIL', 'three  build ok  ']),
    );
    expect(stderr).toMatch(
      /\ntwo: error KIB_ACTION_FAILED: provision\/1 \(break\) failed with exit code 3[\s\S]*\nof 3 images 1 failed: two\n$/,
    );
    expect(stdout.match(/^(one|two|three)$/gm)).toEqual(['one', 'three']);
    expect((await readdir(join(cwd, 'output'))).toSorted()).toEqual(['one', 'three']);
  });

  it('as JSON: each event and result with its build, each error with its image too', async () => {
    const { registry } = fakeRegistry();
    const { code, stdout, stderr } = await cli([...args, '--parallel', '3', '--json'], { files, registry });
    expect(code).toBe(7);
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as BuildEvent | { type: 'result'; build: string; result: { name: string } });
    const builds = new Set(lines.map(({ build }) => build));
    expect(builds.size).toBe(3);
    const results = lines.flatMap((line) => (line.type === 'result' ? [line] : []));
    expect(results.map(({ result }) => result.name).toSorted()).toEqual(['one', 'three']);
    const error = JSON.parse(stderr) as { image: string; build: string };
    expect(error).toMatchObject({ error: { code: 'KIB_ACTION_FAILED' }, image: 'two' });
    expect(builds.has(error.build)).toBe(true);
  });

  it('are interrupted together; those that wait never begin', async () => {
    const interrupt = new AbortController();
    let live: LiveBuilds | undefined;
    let left: ReturnType<LiveBuilds['leave']> = [];
    let machines = 0;
    const { registry, fake } = fakeRegistry((step) => {
      if (step !== 'endpoint' || ++machines < 2) return;
      left = live?.leave() ?? [];
      interrupt.abort(new KibError('KIB_CANCELLED', 'interrupted by the test'));
    });
    const onBuilds = (builds: LiveBuilds | undefined) => {
      live = builds;
    };
    const given = { files, registry, signal: interrupt.signal, onBuilds };
    const { code, stderr, cwd } = await cli([...args, '--parallel', '2'], given);
    expect(code).toBe(130);
    expect(new Set(left.map(({ build }) => build.split('-')[2]))).toEqual(new Set(['one', 'two']));
    for (const { held } of left) expect(held).toContainEqual(expect.stringMatching(/^machine fake-/));
    expect(stderr.match(/^\w+: error KIB_CANCELLED: interrupted by the test$/gm)).toHaveLength(2);
    expect(stderr).toMatch(/\nof 3 images 2 interrupted: one, two; 1 not started: three\n$/);
    expect([...fake.running.keys()]).toEqual([]);
    expect(await readdir(join(cwd, 'home/.local/state/kib-native/builds'))).toHaveLength(2);
    expect(await readdir(join(cwd, 'home/.cache/kib-native/work'))).toEqual([]);
  });

  it('return what is there when nothing changed, unless forced', async () => {
    const { registry, fake } = fakeRegistry();
    const names = ['build', 'one.yaml', 'three.yaml', ...FAKE, '--parallel', 'auto'];
    const first = await cli(names, { files, registry });
    expect(first.code, first.stderr).toBe(0);
    expect(first.stdout).not.toContain('Nothing changed');
    const { cwd } = first;
    const second = await cli(names, { cwd, registry });
    expect(second.code, second.stderr).toBe(0);
    expect(second.stdout.match(/^Nothing changed since \d{4}-\d\d-\d\d \d\d:\d\d UTC; checksums verified$/gm)).toHaveLength(2);
    const forced = await cli([...names, '--force'], { cwd, registry });
    expect(forced.code, forced.stderr).toBe(0);
    expect(forced.stdout).not.toContain('Nothing changed');
    expect([...fake.running.keys()]).toEqual([]);
  });

  it.each([
    [['--parallel', '0'], /argument '0' is invalid\. Want a number from 1, or auto\./],
    [['--parallel', 'many'], /argument 'many' is invalid/],
    [['--parallel', '2', '--on-error', 'shell'], /--on-error shell cannot serve several builds at once\nhint: --on-error keep/],
    [['--parallel', '3', '--var', 'memory=1000TiB'], /KIB_HOST_MEMORY: 3 machines at once need up to 3000\.0 TiB of memory/],
    [['--var', 'name=same'], /two\.yaml: name: another image is called same too/],
    [['--from', 'boto'], /KIB_USAGE: --from boto: one has no layer of this name\nhint: did you mean boot\?/],
    [['--from', 'provision'], /--from provision: one has no layer of this name\nhint: it has boot\n/],
    [['--cache', 'strict', '--from', 'node'], /--from makes layers anew, which --cache strict forbids/],
    [['--locked'], /--locked needs a lock file; there is no \/.*\/kib\.lock\nhint: build once with --lock kib\.lock/],
    [['--locked', '--lock', 'my.lock'], /there is no \/.*\/my\.lock\nhint: build once with --lock my\.lock/],
    [['--cache-size', 'huge'], /argument 'huge' is invalid\. Want something like 40GiB\./],
    [['--cache', 'maybe'], /Allowed choices are auto, off, strict/],
  ])('%j is refused before anything starts', async (more, message) => {
    const { registry } = fakeRegistry();
    const { code, stdout, stderr, cwd } = await cli([...args, ...more], { files, registry, isInteractive: true });
    expect({ code, stdout }).toEqual({ code: more.includes('memory=1000TiB') ? 3 : 2, stdout: '' });
    expect(stderr).toMatch(message);
    expect((await readdir(cwd)).toSorted()).toEqual(Object.keys(files).toSorted());
  });
});
