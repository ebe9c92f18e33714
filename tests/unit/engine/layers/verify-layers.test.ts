import { chmod, readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { problemText } from '../../../../src/engine/layers/problem.ts';
import { readStamps, writeStamps } from '../../../../src/engine/layers/stamps.ts';
import { findLayer, layersDir } from '../../../../src/engine/layers/store.ts';
import { verifyLayers } from '../../../../src/engine/layers/verify-layers.ts';
import { fileStamp } from '../../../../src/io/file-stamp.ts';
import { makeBase, publish } from '../../../support/layer-store.ts';
import { testContext } from '../../../support/test-context.ts';

const { signal } = new AbortController();

async function setup() {
  const context = await testContext();
  onTestFinished(() => context[Symbol.asyncDispose]());
  const { cache } = context.dirs;
  const base = await makeBase(cache);
  const boot = await publish({ key: 'boot' }, context);
  const packages = await publish({ key: 'packages', parent: boot }, context);
  const other = await publish({ key: 'other' }, context);
  const verify = (repair = false, onRead?: (path: string) => void) =>
    verifyLayers({ cacheDir: cache, signal, repair, ...(onRead === undefined ? {} : { onRead }) });
  return { context, cache, base, boot, packages, other, verify };
}

describe('verifyLayers', () => {
  it('reads everything, each base once', async () => {
    const { cache, verify } = await setup();
    const read: string[] = [];
    const report = await verify(false, (path) => read.push(path.slice(cache.length + 1)));
    expect(report.map(({ key, status }) => [key, status])).toEqual([
      ['boot', 'ok'],
      ['other', 'ok'],
      ['packages', 'ok'],
    ]);
    expect(read.sort()).toEqual([
      'bases/b/disk.qcow2',
      ...['boot', 'other', 'packages'].flatMap((key) => [`layers/${key}/credentials.json`, `layers/${key}/disk.qcow2`]),
    ]);
  });

  it('finds what the disk itself did to a file, and what stands on it', async () => {
    const { cache, boot, verify } = await setup();
    const path = join(boot.dir, 'disk.qcow2');
    await chmod(path, 0o600);
    const bytes = await readFile(path);
    bytes[7] = 0;
    await writeFile(path, bytes);
    // As if nobody had written to it.
    const stamps = await readStamps(boot.dir);
    if (stamps === undefined) throw new Error('no stamps');
    await writeStamps(boot.dir, { ...stamps, files: { ...stamps.files, 'disk.qcow2': (await fileStamp(path)) ?? '' } });
    const report = await verify();
    const [damaged, , orphan] = report;
    expect(damaged).toMatchObject({ key: 'boot', name: 'boot', image: 'debian13', status: 'damaged', isRemoved: false });
    expect(damaged?.problem && problemText(damaged.problem)).toMatch(
      /^disk\.qcow2: want sha256 [0-9a-f]{64}, got sha256 [0-9a-f]{64}$/,
    );
    expect(orphan).toMatchObject({ key: 'packages', status: 'orphan', problem: { got: 'one that is not right itself' } });
    expect((await verify(true)).map(({ isRemoved }) => isRemoved)).toEqual([true, false, true]);
    expect((await readdir(layersDir(cache))).filter((name) => !name.startsWith('.'))).toEqual(['other']);
  });

  it('tells of unreadable records and changed bases', async () => {
    const { base, boot, verify } = await setup();
    await chmod(join(boot.dir, 'layer.json'), 0o600);
    await writeFile(join(boot.dir, 'layer.json'), '{');
    await writeFile(base, 'another base');
    const report = await verify();
    expect(report).toMatchObject([
      { key: 'boot', name: undefined, status: 'damaged', problem: { what: 'layer.json', got: '1 characters that are no JSON' } },
      { key: 'other', status: 'orphan', problem: { what: `base ${base}` } },
      { key: 'packages', status: 'orphan' },
    ]);
  });

  it('makes files that were only touched trusted again', async () => {
    const { context, boot, verify } = await setup();
    await utimes(join(boot.dir, 'disk.qcow2'), 1, 1);
    await verify();
    expect(await findLayer('boot', context)).toBeDefined();
    expect(context.events.filter(({ type }) => type === 'span.note')).toEqual([]);
  });
});
