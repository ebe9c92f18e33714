import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { Scope } from '../../../src/core/index.ts';
import { buildStateDir, claimBuildId, makeBuildDirs, makeWorkDir, newBuildId } from '../../../src/engine/build-dirs.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { MemoryJournal } from '../../support/test-context.ts';

async function temporary(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'kib-dirs-'));
  onTestFinished(() => rm(dir, { recursive: true }));
  return dir;
}

it('names builds by time, image and chance', () => {
  const clock = new FakeClock(Date.UTC(2026, 10, 20, 3, 15, 7));
  const ids = Array.from({ length: 20 }, () => newBuildId('debian13', clock));
  for (const id of ids) expect(id).toMatch(/^20261120-031507-debian13-[0-9a-f]{4}$/);
  expect(new Set(ids).size).toBeGreaterThan(1);
});

it.each([
  ['rocky10.fips-2', 'rocky10.fips-2'],
  ['My Image / ../etc', 'my-image-..-etc'],
  ['..', ''],
  ['x'.repeat(50), 'x'.repeat(32)],
])('makes a part of a path of the name %j', (name, part) => {
  const id = newBuildId(name, new FakeClock(Date.UTC(2026, 10, 20, 3, 15, 7)));
  expect(id.replace(/-[0-9a-f]{4}$/, '')).toBe(['20261120-031507', part].filter((text) => text !== '').join('-'));
});

it('gives no id twice, however many builds begin in one second', async () => {
  const dir = await temporary();
  const clock = new FakeClock();
  let proposals = 0;
  // One of three is new.
  const propose = (name: string) => `${name}-${Math.floor(proposals++ / 3)}`;
  const ids = Array.from({ length: 20 }, () => claimBuildId(dir, 'debian13', clock, propose));
  expect(new Set(ids).size).toBe(20);
  expect(proposals).toBe(58);
  expect((await readdir(join(dir, 'builds'))).toSorted()).toEqual(ids.toSorted());
  expect((await stat(buildStateDir(dir, 'debian13-0'))).mode & 0o777).toBe(0o700);
});

it('gives an id where no folder can be made, and leaves it to the build to say so', async () => {
  const dir = await temporary();
  await writeFile(join(dir, 'builds'), '');
  const id = claimBuildId(dir, 'debian13', new FakeClock());
  await expect(makeBuildDirs(dir, join(dir, 'cache'), id)).rejects.toMatchObject({ code: 'KIB_HOST_PERMISSION' });
  await mkdir(join(dir, 'state'));
  const again = claimBuildId(join(dir, 'state', 'deep'), 'debian13', new FakeClock());
  expect(await readdir(join(dir, 'state', 'deep', 'builds'))).toEqual([again]);
});

it('keeps logs to their owner and shares the cache', async () => {
  const dir = await temporary();
  const dirs = await makeBuildDirs(join(dir, 'state'), join(dir, 'cache'), 'b1');
  expect(dirs).toEqual({ logs: buildStateDir(join(dir, 'state'), 'b1'), cache: join(dir, 'cache') });
  expect((await stat(dirs.logs)).mode & 0o777).toBe(0o700);
  await makeBuildDirs(join(dir, 'state'), join(dir, 'cache'), 'b2');
});

it('makes a work folder that journal and scope know, and removes it with what is in it', async () => {
  const dir = await temporary();
  const journal = new MemoryJournal();
  const scope = new Scope();
  const work = await makeWorkDir(dir, 'b1', scope, journal);
  expect((await stat(work)).mode & 0o777).toBe(0o700);
  expect(journal.held).toEqual([{ kind: 'path', id: work }]);
  await writeFile(join(work, 'disk'), 'x');
  await scope[Symbol.asyncDispose]();
  expect(await readdir(join(dir, 'work'))).toEqual([]);
  expect(journal.held).toEqual([]);
});
