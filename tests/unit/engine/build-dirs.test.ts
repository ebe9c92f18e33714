import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { Scope } from '../../../src/core/index.ts';
import { buildStateDir, makeBuildDirs, makeWorkDir, newBuildId } from '../../../src/engine/build-dirs.ts';
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
