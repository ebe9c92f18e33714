import { mkdir, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { newBuildId } from '../../../src/engine/build-dirs.ts';
import { type PruneFilesOptions, pruneFiles } from '../../../src/engine/prune-files.ts';
import { withFileLock } from '../../../src/io/file-lock.ts';
import { claimUse } from '../../../src/io/use-claim.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { makeBase, publish } from '../../support/layer-store.ts';
import { MemoryJournal, testContext } from '../../support/test-context.ts';

const { signal } = new AbortController();
const DAY = 24 * 3_600_000;

async function setup() {
  const clock = new FakeClock();
  const context = await testContext({ clock });
  onTestFinished(() => context[Symbol.asyncDispose]());
  const { cache } = context.dirs;
  /** Writes a file that was last used that many days ago. */
  const write = async (path: string, days: number) => {
    await mkdir(dirname(join(cache, path)), { recursive: true });
    await writeFile(join(cache, path), 'x');
    const seconds = (clock.now() - days * DAY) / 1000;
    await utimes(join(cache, path), seconds, seconds);
  };
  const prune = async (options: Partial<PruneFilesOptions> = {}) =>
    (await pruneFiles({ cacheDir: cache, olderThanMs: 30 * DAY, signal, clock, ...options })).map(({ path }) => path).sort();
  return { context, clock, cache, write, prune };
}

describe('pruneFiles', () => {
  it('removes what was not used for that long, with what belongs to it', async () => {
    const { cache, write, prune } = await setup();
    await write('downloads/sha256-01', 90);
    await write('downloads/sha256-01.json', 31);
    await write('downloads/sha512-02', 90);
    await write('downloads/sha512-02.json', 29);
    await write('downloads/sha256-03.part', 40);
    await write('downloads/sha256-03.part.json', 40);
    await write('bases/0a/disk.qcow2', 90);
    await write('bases/0a/stamp', 31);
    await write('bases/0b/disk.qcow2', 90);
    await write('bases/0b/stamp', 1);
    await write('packages/files/0c', 31);
    await write('packages/urls/0d.json', 31);
    await write('checksums/0e.json', 300);
    await write('vmware/0f/disk.vmdk', 90);
    await write('vmware/0f/stamp', 31);
    await write('vmware/1a/disk.vmdk', 90);
    await write('vmware/1a/stamp', 1);
    await write('vmware/.part-killed-0b/disk.vmdk', 90);
    const rest = ['packages/files/0c', 'packages/urls/0d.json', 'vmware/0f'];
    const gone = ['bases/0a', 'downloads/sha256-01', 'downloads/sha256-03', ...rest];
    expect(await prune({ dryRun: true })).toEqual(gone);
    expect(await prune()).toEqual(gone);
    expect(await prune()).toEqual([]);
    expect((await readdir(join(cache, 'downloads'))).sort()).toEqual(['sha512-02', 'sha512-02.json']);
    expect(await readdir(join(cache, 'bases'))).toEqual(['0b']);
    expect(await readdir(join(cache, 'checksums'))).toEqual(['0e.json']);
    expect((await readdir(join(cache, 'vmware'))).sort()).toEqual(['.part-killed-0b', '1a']);
  });

  it('leaves what layers stand on', async () => {
    const { context, cache, write, prune } = await setup();
    await makeBase(cache);
    await write('bases/b/disk.qcow2', 90);
    await publish({ key: 'boot' }, context);
    expect(await prune({ olderThanMs: 0 })).toEqual([]);
  });

  it('leaves what a build that may still run has used', async () => {
    const { clock, write, prune } = await setup();
    await write('downloads/sha256-01', 3);
    await write('downloads/sha256-02', 1);
    await write(`work/${newBuildId('debian13', new FakeClock(clock.now() - 2 * DAY))}/overlay`, 0);
    expect(await prune({ olderThanMs: 0 })).toEqual(['downloads/sha256-01']);
    await write('downloads/sha256-03', 300);
    await write('work/of-another-kind/overlay', 0);
    expect(await prune({ olderThanMs: 0 })).toEqual([]);
  });

  it('leaves what is being downloaded', async () => {
    const { clock, cache, write, prune } = await setup();
    await write('downloads/sha256-01.part', 90);
    await withFileLock(join(cache, 'downloads/sha256-01'), { clock, signal, journal: new MemoryJournal() }, async () => {
      expect(await prune()).toEqual([]);
    });
    expect(await prune()).toEqual(['downloads/sha256-01']);
  });

  it('leaves a machine that has a clone, for as long as that is there', async () => {
    const { context, cache, write, prune } = await setup();
    await write('vmware/0a/disk.vmdk', 90);
    const clone = join(context.root, 'clone');
    await mkdir(clone);
    await claimUse(join(cache, 'vmware/0a'), clone, context);
    expect(await prune({ olderThanMs: 0 })).toEqual([]);
    expect(await prune({ olderThanMs: 0, dryRun: true })).toEqual([]);
    await rm(clone, { recursive: true });
    expect(await prune({ olderThanMs: 0, dryRun: true })).toEqual(['vmware/0a']);
    expect(await prune({ olderThanMs: 0 })).toEqual(['vmware/0a']);
  });
});
