import { mkdir, readdir, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pc from 'picocolors';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ago, parseAge } from '../../../src/cli/cache/age.ts';
import { layerTree } from '../../../src/cli/cache/layer-tree.ts';
import { whyText } from '../../../src/cli/cache/why-text.ts';
import { sha256 } from '../../../src/core/index.ts';
import { whyMissed } from '../../../src/engine/cache-why.ts';
import { recordedInputs } from '../../../src/engine/layers/inputs.ts';
import { listLayers } from '../../../src/engine/layers/list-layers.ts';
import type { StoredLayer } from '../../../src/engine/layers/store.ts';
import { pinLayer } from '../../../src/engine/layers/use.ts';
import { planBuild } from '../../../src/plan/planner.ts';
import { cli } from '../../support/cli.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { makeBase, publish } from '../../support/layer-store.ts';
import { resolvedImage } from '../../support/plan.ts';
import { testContext } from '../../support/test-context.ts';

const DAY = 24 * 3_600_000;

/** A cache folder as the command line finds it, and a clock at the given distance from now. */
async function setup({ pinned = false } = {}) {
  const context = await testContext();
  onTestFinished(() => context[Symbol.asyncDispose]());
  const home = join(context.root, 'xdg');
  const cache = join(home, 'kib-native');
  await mkdir(cache, { recursive: true });
  await makeBase(cache);
  const clock = new FakeClock(Date.now() - 3 * DAY - 3_600_000);
  const build = await testContext({ cache, clock });
  const boot = await publish({ key: sha256('boot'), name: 'boot', memory: 'RAM' }, build);
  const packages = await publish({ key: sha256('packages'), name: 'packages', parent: boot }, build);
  await publish({ key: sha256('containerd'), name: 'containerd', parent: packages, image: 'debian13-kube-v1.37.0' }, build);
  if (pinned) onTestFinished(() => build[Symbol.asyncDispose]());
  else await build[Symbol.asyncDispose]();
  const run = (...argv: readonly string[]) => cli(['cache', ...argv], { env: { XDG_CACHE_HOME: home } });
  return { context, cache, clock, boot, packages, run };
}

describe('cache ls', () => {
  it('shows layers as trees, then files', async () => {
    const { cache, run } = await setup({ pinned: true });
    await mkdir(join(cache, 'packages', 'files'), { recursive: true });
    await writeFile(join(cache, 'packages', 'files', '0a'), 'x');
    const { stdout } = await run();
    expect(stdout.split('\n').slice(2, 6)).toEqual([
      'debian13',
      expect.stringMatching(/^ {2}boot {12}[0-9a-f]{12} +[\d.]+ KiB {2}memory {2}made 3 d ago {2}used 3 d ago {2}in use$/),
      expect.stringMatching(/^ {4}packages {6}[0-9a-f]{12} +[\d.]+ KiB {10}made 3 d ago {2}used 3 d ago {2}in use$/),
      expect.stringMatching(/^ {6}containerd {2}[0-9a-f]{12} .* in use, debian13-kube-v1\.37\.0$/),
    ]);
    expect(stdout).toMatch(/packages, 1 files\n/);
    expect(stdout).toMatch(/ in 3 layers, .* in 2 files\n$/);
  });

  it('shows each kept machine as one, and nothing of what is being made', async () => {
    const { cache, run } = await setup();
    for (const name of ['0a', '.part-build-0b']) {
      await mkdir(join(cache, 'vmware', name), { recursive: true });
      for (const file of ['disk.vmdk', 'kept.vmx']) await writeFile(join(cache, 'vmware', name, file), 'x');
    }
    await writeFile(join(cache, 'vmware', '0a.use-0c'), cache);
    const { stdout } = await run();
    expect(stdout).toMatch(/ vmware\/0a, 2 files\n/);
    expect(stdout.match(/vmware/g)).toHaveLength(1);
  });

  it('gives everything as JSON', async () => {
    const { run } = await setup();
    const { layers, entries } = JSON.parse((await run('ls', '--json')).stdout) as Record<string, unknown[]>;
    expect(layers).toHaveLength(3);
    expect(layers).toContainEqual(
      expect.objectContaining({ isInUse: false, record: expect.objectContaining({ name: 'boot' }) as unknown }),
    );
    expect(entries).toMatchObject([{ path: 'bases/b/disk.qcow2' }]);
  });

  it('shows what stands on nothing, and what cannot be read', async () => {
    const { context, cache, boot, packages } = await setup();
    await truncate(join(boot.dir, 'layer.json'), 10);
    const lines = layerTree(await listLayers(cache, context.signal), Date.now()).split('\n');
    expect(lines).toContainEqual(expect.stringMatching(/^ {2}\? .* cannot be read$/));
    await truncate(join(packages.dir, 'layer.json'), 10);
    expect(layerTree(await listLayers(cache, context.signal), Date.now())).toMatch(/containerd .* stands on nothing/);
  });
});

describe('cache prune', () => {
  it('removes the least recently used layers beyond a size', async () => {
    const { cache, run } = await setup();
    const dry = await run('prune', '--max', '1', '--dry-run');
    expect(dry.stdout).toMatch(/layer containerd [0-9a-f]{12} {2}debian13-kube-v1\.37\.0\n/);
    expect(dry.stdout).toMatch(/ would be free; then layers take 0 B\n$/);
    expect(await listLayers(cache, new AbortController().signal)).toHaveLength(3);
    expect((await run('prune', '--max', '1')).stdout).toMatch(/ are free now; layers take 0 B\n$/);
    expect((await run('prune')).stdout).toBe('nothing to remove; layers take 0 B\n');
  });

  it('removes downloads and bases that were not used for long', async () => {
    const { cache, run } = await setup();
    const path = join(cache, 'downloads', 'sha256-0a');
    await mkdir(join(cache, 'downloads'));
    await writeFile(path, 'x');
    await utimes(path, Date.now() / 1000 - 40 * 86_400, Date.now() / 1000 - 40 * 86_400);
    expect((await run('prune', '--older-than', '6w', '--json')).stdout).toContain('"files": []');
    expect((await run('prune')).stdout).toMatch(/downloads\/sha256-0a\n/);
    expect(await readdir(join(cache, 'downloads'))).toEqual([]);
    expect(await readdir(join(cache, 'bases'))).toEqual(['b']);
  });

  it('removes everything, bases below removed layers too, when asked to', async () => {
    const { cache, run } = await setup();
    expect((await run('prune', '--all', '--dry-run')).stdout).toContain('bases/b');
    expect((await run('prune', '--all')).stdout).toContain('bases/b');
    expect(await readdir(join(cache, 'bases'))).toEqual([]);
  });

  it.each([
    [['--max', 'much'], /Want something like 20GiB/],
    [['--older-than', '30'], /Want something like 30d/],
    [['--all', '--max', '1GiB'], /cannot be used with/],
  ])('refuses %j', async (options, message) => {
    const { code, stderr } = await cli(['cache', 'prune', ...options]);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });
});

describe('cache verify', () => {
  it('finds and removes what is not right', async () => {
    const { packages, run } = await setup();
    expect(await run('verify')).toMatchObject({ code: 0 });
    await truncate(join(packages.dir, 'disk.qcow2'), 3);
    const found = await run('verify');
    expect(found.code).toBe(4);
    expect(found.stdout).toMatch(/^damaged {2}packages .* disk\.qcow2: want \d+ bytes, got 3 bytes$/m);
    expect(found.stdout).toMatch(/^orphan {3}containerd /m);
    expect(found.stderr).toMatch(/KIB_DIGEST_MISMATCH: 2 of 3 layers .*\nhint: kib-native cache verify --repair/);
    expect(await run('verify', '--repair')).toMatchObject({ code: 0, stdout: expect.stringContaining('; removed') as string });
    expect((await run('verify')).stdout).toMatch(/^ok {2}boot [^\n]*\n$/);
  });

  it('has nothing to say of an empty cache', async () => {
    expect((await cli(['cache', 'verify'])).stdout).toBe('there are no layers\n');
  });
});

/** The layers of an image up to `last`, as a build would have kept them. */
async function keep(plan: ReturnType<typeof planBuild>, last: string, cache: string, clock: FakeClock): Promise<void> {
  const build = await testContext({ cache, clock });
  let parent: StoredLayer | undefined;
  for (const layer of plan.layers) {
    const given = { key: layer.key, name: layer.name, image: plan.name, inputs: [...recordedInputs(layer)] };
    parent = await publish(parent === undefined ? given : { ...given, parent }, build);
    await pinLayer(parent, build);
    if (layer.name === last) break;
  }
  await build[Symbol.asyncDispose]();
}

describe('cache why', () => {
  const plain = pc.createColors(false);
  const planWith = (shell: string) => planBuild(resolvedImage('debian13', { provision: [{ shell, name: 'greet' }] }));

  async function why(shell: string, last: string, wanted = shell) {
    const context = await testContext();
    onTestFinished(() => context[Symbol.asyncDispose]());
    await makeBase(context.dirs.cache);
    const clock = new FakeClock();
    await keep(planWith(shell), last, context.dirs.cache, clock);
    const found = await whyMissed(planWith(wanted), {}, context);
    return { context, found, text: whyText(found, clock.now() + 2 * DAY, plain).split('\n') };
  }

  it('says that nothing is missing', async () => {
    const { found, text } = await why('echo hello', 'provision');
    expect(found.miss).toBeUndefined();
    expect(text[0]).toMatch(/^debian13-kube-/);
    expect(text[1]).toMatch(/^ {2}hit {3}boot +[0-9a-f]{12} {2}made 2 d ago$/);
    expect(text.at(-1)).toBe('Every layer is cached: a build goes on after provision.');
  });

  it('names the first action that differs, and how', async () => {
    const { text } = await why('echo hello\necho world', 'provision', 'echo hello\necho there');
    const end = text.slice(text.indexOf('') + 1);
    expect(end).toEqual([
      expect.stringMatching(/^provision: provision\/1 \(greet\) changed, compared with layer [0-9a-f]{12}$/),
      '    echo hello',
      '  - echo world',
      '  + echo there',
    ]);
    expect(text.find((line) => line.includes('miss'))).toMatch(/^ {2}miss {2}provision/);
  });

  it('says when nothing like it was ever there', async () => {
    const { text } = await why('echo hello', 'node');
    expect(text.at(-1)).toMatch(/^\S+: nothing like it was kept before$/);
  });

  it('says what is wrong with a layer that is there, and removes nothing', async () => {
    const { context, found } = await why('echo hello', 'provision');
    const key = found.layers[1]?.key ?? '';
    await truncate(join(context.dirs.cache, 'layers', key, 'disk.qcow2'), 1);
    const again = await whyMissed(planWith('echo hello'), {}, context);
    expect(whyText(again, 0, plain)).toMatch(/damaged: disk\.qcow2: want .*\n.*orphan: /);
    expect(whyText(again, 0, plain)).toMatch(/what is in the cache cannot be used; a build removes it$/);
    expect((await listLayers(context.dirs.cache, context.signal)).length).toBe(found.layers.length);
  });

  it('leaves nothing behind when it fails', async () => {
    const base = `{ file: base.raw, format: raw, sha256: ${'b'.repeat(64)} }`;
    const files = { 'base.raw': 'x', 'image.yaml': `image: debian13\nbase: ${base}\n` };
    const { code, stderr, cwd } = await cli(['cache', 'why', 'image.yaml'], { files });
    expect(code).toBe(4);
    expect(stderr).toContain('KIB_DIGEST_MISMATCH');
    expect(await readdir(join(cwd, 'home/.local/state/kib-native/builds'))).toEqual([]);
  });
});

describe('ages', () => {
  it.each([
    [0, 'just now'],
    [61_000, '1 min ago'],
    [5 * 3_600_000, '5 h ago'],
    [12 * DAY, '12 d ago'],
  ])('%d ms: %s', (ms, text) => {
    expect(ago(ms)).toBe(text);
  });

  it.each([
    ['30d', 30 * DAY],
    ['12h', DAY / 2],
    ['90m', 90 * 60_000],
    ['2w', 14 * DAY],
    ['30', undefined],
    ['d', undefined],
    ['-1d', undefined],
  ])('%s is %s', (text, ms) => {
    expect(parseAge(text)).toBe(ms);
  });
});
