import { chmod, cp, mkdir, readdir, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { publishLayer } from '../../../../src/engine/layers/publish.ts';
import { replaceRecord } from '../../../../src/engine/layers/stamps.ts';
import { deepestLayer, findLayer, layersDir } from '../../../../src/engine/layers/store.ts';
import { draft, makeBase, publish, stage } from '../../../support/layer-store.ts';
import { type TestContext, testContext } from '../../../support/test-context.ts';

async function contextOf(cache?: string): Promise<TestContext> {
  const context = await testContext(cache === undefined ? {} : { cache });
  onTestFinished(() => context[Symbol.asyncDispose]());
  return context;
}

/** Three layers on one another: boot, packages, containerd. */
async function chain() {
  const context = await contextOf();
  await makeBase(context.dirs.cache);
  const boot = await publish({ key: 'boot', memory: 'RAM' }, context);
  const packages = await publish({ key: 'packages', parent: boot }, context);
  const containerd = await publish({ key: 'containerd', parent: packages, memory: 'more RAM' }, context);
  return { context, cache: context.dirs.cache, boot, packages, containerd, keys: ['boot', 'packages', 'containerd'] };
}

const warnings = (context: TestContext) =>
  context.events.flatMap((event) => (event.type === 'warning' ? [`${event.code} ${event.message}`] : []));
const notes = (context: TestContext) => context.events.flatMap((event) => (event.type === 'span.note' ? [event.text] : []));
const layersIn = async (cache: string) => (await readdir(layersDir(cache))).filter((name) => !name.startsWith('.')).sort();

/** Changes one byte, and nothing that stat shows but the times. */
async function flip(path: string, at: number): Promise<void> {
  const bytes = await readFile(path);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  await chmod(path, 0o600);
  await writeFile(path, bytes);
}

describe('findLayer', () => {
  it('returns what was published, without reading it again', async () => {
    const { context, containerd } = await chain();
    expect(await findLayer('containerd', context)).toEqual(containerd);
    expect(notes(context)).toEqual([]);
    expect(warnings(context)).toEqual([]);
  });

  it('knows nothing of keys that are not there', async () => {
    const { context } = await chain();
    expect(await findLayer('kubernetes', context)).toBeUndefined();
    expect(warnings(context)).toEqual([]);
  });

  it('leaves the files to nobody else', async () => {
    const { cache, boot } = await chain();
    const mode = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);
    expect(await mode(layersDir(cache))).toBe('700');
    expect(await mode(boot.dir)).toBe('700');
    expect(await mode(join(boot.dir, 'disk.qcow2'))).toBe('400');
    expect(await mode(join(boot.dir, 'credentials.json'))).toBe('400');
    expect(await mode(join(boot.dir, 'layer.json'))).toBe('400');
    expect(await mode(join(boot.dir, 'stamps'))).toBe('600');
  });

  it('names nothing by an absolute path', async () => {
    const { cache, containerd } = await chain();
    expect(await readFile(join(containerd.dir, 'layer.json'), 'utf8')).not.toContain(cache);
  });

  describe.each(['disk.qcow2', 'credentials.json', 'memory.zst', 'layer.json'])('with a damaged %s', (file) => {
    it.each([
      ['cut short', (path: string) => truncate(path, 2), /want .*, got/],
      ['altered', (path: string) => flip(path, 1), /want .*, got/],
      ['missing', (path: string) => rm(path), /got no file/],
    ])('%s: says so, removes the layer and what stands on it', async (_, damage, message) => {
      const { context, cache, boot } = await chain();
      await damage(join(boot.dir, file));
      expect(await findLayer('containerd', context)).toBeUndefined();
      const [first = ''] = warnings(context).filter((text) => text.includes('boot'));
      expect(first).toMatch(/^KIB_DIGEST_MISMATCH the cached layer boot/);
      expect(first).toContain(file);
      expect(first).toMatch(message);
      expect(await layersIn(cache)).toEqual([]);
    });
  });

  it.each(Array.from({ length: 40 }, (_, index) => index / 40))(
    'notices a byte of the record changed at %f of it',
    async (share) => {
      const { context, boot } = await chain();
      const path = join(boot.dir, 'layer.json');
      await flip(path, Math.floor((await stat(path)).size * share));
      expect(await findLayer('boot', context)).toBeUndefined();
      expect(warnings(context)).toHaveLength(1);
    },
  );

  it('refuses layers of another version, and says which', async () => {
    const { context, boot } = await chain();
    const path = join(boot.dir, 'layer.json');
    await chmod(path, 0o600);
    await writeFile(path, (await readFile(path, 'utf8')).replace('"v": 1', '"v": 7'));
    expect(await findLayer('boot', context)).toBeUndefined();
    expect(warnings(context)).toEqual([expect.stringContaining('layer.json: want a record of version 1, got version 7')]);
  });

  it('refuses a layer whose parent was made anew', async () => {
    const { context, cache, boot, packages } = await chain();
    await rm(packages.dir, { recursive: true });
    const other = await publish({ key: 'packages', parent: boot }, context);
    expect(await findLayer('containerd', context)).toBeUndefined();
    expect(warnings(context)).toEqual([
      expect.stringContaining(`layer packages below: want its making ${packages.record.id}, got ${other.record.id}`),
    ]);
    expect(await layersIn(cache)).toEqual(['boot', 'packages']);
  });

  it('refuses layers that stand on each other', async () => {
    const { context, cache, boot, packages } = await chain();
    await replaceRecord(boot.dir, { ...boot.record, parent: { key: 'packages', id: packages.record.id } });
    expect(await findLayer('packages', context)).toBeUndefined();
    expect(await layersIn(cache)).not.toContain('packages');
  });

  it('refuses a layer whose base is gone, or another one', async () => {
    const { context, cache } = await chain();
    await makeBase(cache, 'b base image');
    expect(await findLayer('boot', context)).toBeUndefined();
    await publish({ key: 'boot' }, context);
    await rm(join(cache, 'bases'), { recursive: true });
    expect(await findLayer('boot', context)).toBeUndefined();
    expect(warnings(context)).toEqual([
      expect.stringMatching(/base .*disk\.qcow2: want sha256 .*, got sha256/),
      expect.stringMatching(/base .*disk\.qcow2: want sha256 .*, got no file/),
    ]);
  });

  it('reads a base outside the cache once before it trusts it', async () => {
    const context = await contextOf();
    const path = await makeBase(join(context.root, 'elsewhere'));
    const { base } = draft({ key: 'boot' });
    await publish({ key: 'boot', base: { ...base, backing: path } }, context);
    for (let time = 0; time < 2; time++) expect(await findLayer('boot', context)).toBeDefined();
    expect(notes(context)).toHaveLength(1);
    await writeFile(path, 'a bose image');
    expect(await findLayer('boot', context)).toBeUndefined();
  });

  it('goes on when a file was only touched', async () => {
    const { context, boot } = await chain();
    await chmod(join(boot.dir, 'disk.qcow2'), 0o600);
    for (let time = 0; time < 2; time++) expect(await findLayer('boot', context)).toEqual(boot);
    expect(notes(context)).toEqual(['checking disk.qcow2 of the cached layer boot']);
  });

  it('finds everything in a cache that was renamed, and reads a copied one once', async () => {
    const { context, cache, keys } = await chain();
    const moved = join(context.root, 'moved');
    await rename(cache, moved);
    const there = await contextOf(moved);
    expect((await deepestLayer(keys, there))?.layer.dir).toBe(join(moved, 'layers', 'containerd'));
    expect(notes(there)).toEqual([]);
    const copied = join(context.root, 'copied');
    await cp(moved, copied, { recursive: true, preserveTimestamps: true });
    const copy = await contextOf(copied);
    for (let time = 0; time < 2; time++) expect((await deepestLayer(keys, copy))?.index).toBe(2);
    // Two memories, three disks and credentials each, one base.
    expect(notes(copy)).toHaveLength(9);
    expect(warnings(copy)).toEqual([]);
    await mkdir(cache, { recursive: true });
  });

  it('keeps a layer whose record was replaced', async () => {
    const { context, boot } = await chain();
    const { memory: _, ...record } = { ...boot.record, files: boot.record.files.filter(({ name }) => name !== 'memory.zst') };
    await replaceRecord(boot.dir, record);
    await rm(join(boot.dir, 'memory.zst'), { force: true });
    expect((await findLayer('containerd', context))?.record.name).toBe('containerd');
    expect(notes(context)).toEqual([]);
  });

  it('stops reading when aborted, and removes nothing', async () => {
    const { context, cache, boot } = await chain();
    await chmod(join(boot.dir, 'disk.qcow2'), 0o600);
    context.abort();
    await expect(findLayer('boot', context)).rejects.toThrow();
    expect(await layersIn(cache)).toHaveLength(3);
  });
});

describe('deepestLayer', () => {
  it('takes the deepest one that is whole', async () => {
    const { context, keys, packages, containerd } = await chain();
    expect(await deepestLayer(keys, context)).toMatchObject({ index: 2 });
    await truncate(join(containerd.dir, 'disk.qcow2'), 1);
    expect(await deepestLayer([...keys, 'kubernetes'], context)).toEqual({ index: 1, layer: packages });
    expect(await deepestLayer(['x', 'y'], context)).toBeUndefined();
  });
});

describe('publishLayer', () => {
  it('leaves the staging folder alone when the layer is there already', async () => {
    const { context, boot } = await chain();
    const staging = await stage({ key: 'boot' }, context);
    expect(await publishLayer(staging, draft({ key: 'boot' }), context)).toBeUndefined();
    expect(await readdir(staging.folder)).toContain('disk.qcow2');
    expect(await findLayer('boot', context)).toEqual(boot);
  });

  it('takes the place of a damaged layer', async () => {
    const { context, boot } = await chain();
    await rm(join(boot.dir, 'layer.json'));
    const made = await publish({ key: 'boot' }, context);
    expect(made.record.id).not.toBe(boot.record.id);
    expect(await findLayer('boot', context)).toEqual(made);
  });

  it('refuses a layer whose parent is gone or was made anew', async () => {
    const { context, cache, boot, packages } = await chain();
    await rm(packages.dir, { recursive: true });
    const given = { key: 'cni', parent: packages };
    expect(await publishLayer(await stage(given, context), draft(given), context)).toBeUndefined();
    await publish({ key: 'packages', parent: boot }, context);
    expect(await publishLayer(await stage(given, context), draft(given), context)).toBeUndefined();
    expect(await layersIn(cache)).not.toContain('cni');
  });

  it('leaves nothing behind but layers when the build ends', async () => {
    const { context, cache } = await chain();
    await stage({ key: 'kubernetes' }, context);
    await context.scope[Symbol.asyncDispose]();
    expect(context.journal.held).toEqual([]);
    expect(await layersIn(cache)).toEqual(['boot', 'containerd', 'packages']);
    expect(await readdir(layersDir(cache))).toEqual(['.claims', 'boot', 'containerd', 'packages']);
    expect(await readdir(join(layersDir(cache), '.claims'))).toEqual([]);
  });

  it('registers everything before it is there', async () => {
    const seen: string[][] = [];
    const context = await testContext({ onJournal: () => void seen.push([]) });
    onTestFinished(() => context[Symbol.asyncDispose]());
    await makeBase(context.dirs.cache);
    await publish({ key: 'boot' }, context);
    const ids = context.journal.entries.map(({ action, resource }) => `${action} ${resource.id.split('/layers/')[1]}`);
    expect(ids).toEqual([
      expect.stringMatching(/^acquired \.part-/),
      expect.stringMatching(/^acquired \.claims\/boot\.pin-/),
      expect.stringMatching(/^released \.part-/),
    ]);
  });
});
