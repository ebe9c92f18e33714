import { mkdir, mkdtemp, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SHARED_CACHE, testBase } from '../support/boot-base.ts';
import { type BuildRun, layersOf, runBuild } from '../support/build-run.ts';
import { diffTrees, readImage } from '../support/image-tree.ts';
import { isLeftOut } from '../support/long.ts';
import { kib } from '../support/program.ts';
import { testContext } from '../support/test-context.ts';

describe.skipIf(isLeftOut('layers of a real guest'))('layers of a real guest', () => {
  let scratch: string;
  let base: string;
  let cache: string;

  beforeAll(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'kib-layers-'));
    cache = join(scratch, 'cache');
    await using context = await testContext({ cache: SHARED_CACHE });
    base = await testBase(context);
  });
  afterAll(() => rm(scratch, { recursive: true, force: true }));

  const env = () => ({ XDG_CACHE_HOME: cache, XDG_STATE_HOME: join(scratch, 'state') });
  const layersFolder = () => join(cache, 'kib-native', 'layers');

  async function imageFile(provision: readonly string[], name = 'node'): Promise<string> {
    const path = join(scratch, `${name}.yaml`);
    const steps = provision.map((shell) => `  - shell: ${shell}\n`).join('');
    await writeFile(
      path,
      `image: debian13
name: ${name}
base: { file: ${base} }
firmware: bios
disk: 6GiB
without: [kubernetes, setup, providers, network-manager, selinux]
recipes:
  node: { auditd: false }
  containerd: { source: package }
  cni: { source: package }
provision:
${steps}`,
    );
    return path;
  }

  async function build(image: string, output: string, ...more: readonly string[]): Promise<BuildRun> {
    return runBuild([image, '--output-dir', join(scratch, output), ...more], env());
  }

  const spans = ({ events }: BuildRun) => events.flatMap((event) => (event.type === 'span.start' ? [event.name] : []));
  const warnings = ({ events }: BuildRun) => events.flatMap((event) => (event.type === 'warning' ? [event] : []));
  const told = (run: BuildRun) => `${run.stderr}\n${JSON.stringify(run.events.filter(({ type }) => type !== 'log').slice(-20))}`;

  it('a failed build is gone on with where it failed, and the image is the one that a cold build makes', async () => {
    const failing = await build(await imageFile(['echo one > /etc/marker', 'exit 3']), 'output', '--no-verify');
    expect(failing.status, told(failing)).toBe(7);
    const layers = layersOf(failing);
    expect(layers.at(-1)).toBe('provision failed');
    expect(layers.slice(0, -1).every((layer) => layer.endsWith(' ok'))).toBe(true);

    const fixed = await imageFile(['echo one > /etc/marker', 'echo two > /etc/second']);
    const resumed = await build(fixed, 'output');
    expect(resumed.status, told(resumed)).toBe(0);
    // On a busy host the memory of a quick layer may not be worth saving; it is then made again on the one below.
    expect(layersOf(resumed).slice(0, 2)).toEqual(['repositories cached', 'packages cached']);
    expect(layersOf(resumed).at(-1)).toBe('provision ok');
    expect(spans(resumed).some((span) => span.startsWith('continue from layer '))).toBe(true);
    expect(spans(resumed)).not.toContain('wait for the guest');
    expect(resumed.result?.checks.filter(({ ok }) => !ok)).toEqual([]);

    const cold = await build(fixed, 'cold', '--cache', 'off', '--no-verify');
    expect(cold.status, told(cold)).toBe(0);
    expect(layersOf(cold).every((layer) => layer.endsWith(' ok'))).toBe(true);
    const { signal } = new AbortController();
    const status = (path: string) => path === '/var/lib/dpkg/status';
    const [a, b] = [
      await readImage(join(scratch, 'cold', 'node', 'node.qcow2'), 'qcow2', status, signal),
      await readImage(join(scratch, 'output', 'node', 'node.qcow2'), 'qcow2', status, signal),
    ];
    expect(a.tree.size).toBeGreaterThan(10_000);
    expect(a.tree.get('/etc/second')?.type).toBe('file');
    // Paths, types, modes, owners, content and links: nothing may differ, so there is nothing to justify.
    expect(diffTrees(a.tree, b.tree)).toEqual([]);
    expect(b.texts).toEqual(a.texts);
  });

  it('finds that nothing changed, and sees when an artifact did', async () => {
    const image = await imageFile(['echo one > /etc/marker', 'echo two > /etc/second']);
    const again = await build(image, 'output');
    expect(again.status, told(again)).toBe(0);
    expect(again.result).toMatchObject({ isUnchanged: true, isVerified: true });
    expect(spans(again)).not.toContain('start qemu');
    const artifact = join(scratch, 'output', 'node', 'node.qcow2');
    await flip(artifact);
    const damaged = await build(image, 'output');
    expect(damaged.status).toBe(2);
    expect(damaged.stderr).toMatch(/node\.qcow2 is not what was built[^]*--force/);
    await flip(artifact);
  });

  it('tells why a layer is missing', async () => {
    const image = await imageFile(['echo changed > /etc/marker', 'echo two > /etc/second']);
    const why = kib(['cache', 'why', image], env());
    expect(why.status, why.stderr).toBe(0);
    expect(why.stdout).toMatch(/provision\/1/);
    expect(why.stdout).toMatch(/- *echo one > \/etc\/marker[^]*\+ *echo changed > \/etc\/marker/);
    const strict = await build(image, 'strict', '--cache', 'strict');
    expect(strict.status).toBe(2);
    expect(strict.stderr).toMatch(/the layer provision is not in the cache/);
  });

  it('throws a damaged layer away and starts on the one before', async () => {
    const { name, folder } = await deepestMemory();
    await flip(join(folder, (await readdir(folder)).find((file) => file.startsWith('memory')) ?? ''));
    const image = await imageFile(['echo three > /etc/marker']);
    const run = await build(image, 'output', '--no-verify', '--force');
    expect(run.status, told(run)).toBe(0);
    const messages = warnings(run).map(({ message }) => message);
    expect(messages.some((message) => message.includes(name) && message.includes('memory'))).toBe(true);
    expect(layersOf(run).slice(-2)).toContain(`${name} ok`);
  });

  it('draws other random numbers each time it goes on from the same memory', async () => {
    // As the first thing that the kernel is asked for after the wake-up: it must not wait until its generator is due.
    const image = await imageFile(['head -c 16 /dev/urandom | od -An -tx1 > /etc/dice'], 'dice');
    const thrown: { readonly start: string | undefined; readonly dice: string | undefined }[] = [];
    for (const turn of ['zeroth', 'first', 'second']) {
      const run = await build(image, turn, '--no-verify', '--from', 'provision');
      expect(run.status, told(run)).toBe(0);
      const disk = join(scratch, turn, 'dice', 'dice.qcow2');
      const { texts } = await readImage(disk, 'qcow2', (path) => path === '/etc/dice', new AbortController().signal);
      const start = spans(run).find((span) => span.startsWith('continue from layer '));
      thrown.push({ start, dice: texts.get('/etc/dice')?.trim() });
    }
    const [, first, second] = thrown;
    expect(first?.dice).toMatch(/^([0-9a-f]{2} ?){16}$/);
    expect(second?.start).toBe(first?.start);
    expect(second?.dice).not.toBe(first?.dice);
  });

  it('goes on in another cache folder, and lets two builds at once share what one of them makes', async () => {
    const moved = join(scratch, 'moved');
    await mkdir(moved);
    await rename(join(cache, 'kib-native'), join(moved, 'kib-native'));
    cache = moved;
    const image = await imageFile(['sleep 2; echo four > /etc/marker']);
    const [one, other] = await Promise.all([build(image, 'one', '--no-verify'), build(image, 'other', '--no-verify')]);
    expect([one.status, other.status], `${told(one)}\n${told(other)}`).toEqual([0, 0]);
    const provisions = [one, other].map((run) => layersOf(run).at(-1) ?? '').toSorted((x, y) => x.localeCompare(y));
    expect(provisions).toEqual(['provision cached', 'provision ok']);
    for (const run of [one, other]) expect(spans(run)).not.toContain('wait for the guest');
  });

  /** The newest layer before `provision` that has a memory. */
  async function deepestMemory(): Promise<{ readonly name: string; readonly folder: string }> {
    const found: { readonly name: string; readonly folder: string; readonly createdMs: number }[] = [];
    for (const key of await readdir(layersFolder())) {
      const folder = join(layersFolder(), key);
      const text = await readFile(join(folder, 'layer.json'), 'utf8').catch(() => '{}');
      const record = JSON.parse(text) as { readonly name: string; readonly createdMs: number; readonly memory?: unknown };
      if (record.memory !== undefined && record.name !== 'provision') found.push({ ...record, folder });
    }
    const newest = found.toSorted((a, b) => b.createdMs - a.createdMs)[0];
    if (newest === undefined) throw new Error('no layer has a memory');
    return newest;
  }
});

/** Turns one byte in the middle of a file around; doing it twice mends it. */
async function flip(path: string): Promise<void> {
  const { size, mode } = await stat(path);
  const file = await open(path, 'r+');
  try {
    const byte = Buffer.alloc(1);
    const middle = Math.floor(size / 2);
    await file.read(byte, 0, 1, middle);
    byte.writeUInt8(byte.readUInt8() ^ 0xff);
    await file.write(byte, 0, 1, middle);
  } finally {
    await file.close();
  }
  expect((await stat(path)).mode).toBe(mode);
}
