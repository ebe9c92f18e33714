import { access, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import { type Driver, defineDriver, type Resource } from '../../../src/core/index.ts';
import { collectGarbage, type GcReport, type GcRequest } from '../../../src/engine/gc.ts';
import { BuildJournal, type JournalOwner } from '../../../src/engine/journal.ts';
import { processIdentity } from '../../../src/io/process-identity.ts';

const { signal } = new AbortController();
/** A pid that Linux never gives out (it is above PID_MAX_LIMIT of proc(5)). */
const DEAD: JournalOwner = { pid: 2 ** 22 + 1, identity: '1' };

function fakeDriver(reap: (resource: Resource) => Promise<string>): Driver {
  return defineDriver({
    name: 'fake',
    summary: 'a driver that only reaps',
    options: z.unknown(),
    capabilities: { arch: ['amd64'], firmware: ['bios'], formats: ['raw'], console: false, screenshot: false },
    doctor: async () => [],
    preview: () => [],
    launch: () => Promise.reject(new Error('launches nothing')),
    reap,
  });
}

async function setup() {
  const stateHome = await mkdtemp(join(tmpdir(), 'kib-gc-'));
  onTestFinished(() => rm(stateHome, { recursive: true }));
  const reaped: string[] = [];
  const broken = new Set<string>();
  const driver = fakeDriver(async ({ id }) => {
    if (broken.has(id)) throw new Error('permission denied');
    reaped.push(id);
    return `killed ${id}`;
  });
  const addBuild = async (id: string, options: { owner?: JournalOwner; keep?: boolean; end?: boolean; empty?: boolean } = {}) => {
    const dir = join(stateHome, 'builds', id);
    await mkdir(dir, { recursive: true });
    const folder = join(stateHome, `work-${id}`);
    await mkdir(folder);
    await writeFile(join(folder, 'disk'), 'x');
    const journal = await BuildJournal.create(join(dir, 'journal.ndjson'), options.owner ?? DEAD);
    if (options.empty !== true) {
      await journal.acquire({ kind: 'path', id: folder });
      await journal.acquire({ kind: 'fake:process', id: `${id}-process` });
    }
    if (options.keep === true) await journal.keep();
    await journal.close();
    const path = join(dir, 'journal.ndjson');
    // A killed process does not write the end.
    if (options.end !== true) await writeFile(path, (await readFile(path, 'utf8')).replace('{"op":"end"}\n', ''));
    return { folder, journal: path };
  };
  const gc = (options: Partial<GcRequest> = {}) =>
    collectGarbage({ stateHome, drivers: [driver], dryRun: false, signal, ...options });
  return { stateHome, reaped, broken, addBuild, gc };
}

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );
const statuses = ({ builds }: GcReport) => builds.map(({ id, status }) => `${id} ${status}`);

describe('collectGarbage', () => {
  it('removes what a dead build held, newest first, once', async () => {
    const { addBuild, gc, reaped } = await setup();
    const { folder } = await addBuild('b1');
    const report = await gc();
    expect(report.builds).toEqual([
      {
        id: 'b1',
        status: 'collected',
        resources: [
          { resource: { kind: 'fake:process', id: 'b1-process' }, outcome: 'killed b1-process', ok: true },
          { resource: { kind: 'path', id: folder }, outcome: 'removed', ok: true },
        ],
      },
    ]);
    expect(await exists(folder)).toBe(false);
    expect(statuses(await gc())).toEqual(['b1 clean']);
    expect(reaped).toEqual(['b1-process']);
  });

  it('does not touch a build whose process lives', async () => {
    const { addBuild, gc, reaped } = await setup();
    const owner = { pid: process.pid, identity: await processIdentity(process.pid, signal) };
    const { folder } = await addBuild('b1', { owner });
    expect(statuses(await gc())).toEqual(['b1 running']);
    expect(statuses(await gc({ builds: ['b1'] }))).toEqual(['b1 running']);
    expect(await exists(folder)).toBe(true);
    expect(reaped).toEqual([]);
  });

  it('collects when another process has the pid by now, and after a build that ended in this process', async () => {
    const { addBuild, gc } = await setup();
    const identity = await processIdentity(process.pid, signal);
    await addBuild('b1', { owner: { pid: process.pid, identity: 'another start' } });
    await addBuild('b2', { owner: { pid: process.pid, identity }, end: true });
    expect(statuses(await gc())).toEqual(['b1 collected', 'b2 collected']);
  });

  it('leaves a kept machine until its build is named', async () => {
    const { addBuild, gc, reaped } = await setup();
    const { folder } = await addBuild('b1', { keep: true, end: true });
    expect(statuses(await gc())).toEqual(['b1 kept']);
    expect(statuses(await gc({ builds: ['b2'] }))).toEqual(['b1 kept']);
    expect(await exists(folder)).toBe(true);
    expect(statuses(await gc({ builds: ['b1'] }))).toEqual(['b1 collected']);
    expect(await exists(folder)).toBe(false);
    expect(reaped).toEqual(['b1-process']);
    expect(statuses(await gc())).toEqual(['b1 clean']);
  });

  it('reports a failure, goes on with the rest, and tries again next time', async () => {
    const { addBuild, gc, broken, reaped } = await setup();
    const { folder } = await addBuild('b1');
    await addBuild('b2');
    broken.add('b1-process');
    const report = await gc();
    expect(statuses(report)).toEqual(['b1 failed', 'b2 collected']);
    expect(report.builds[0]?.resources).toMatchObject([
      { outcome: 'permission denied', ok: false },
      { outcome: 'removed', ok: true },
    ]);
    expect(await exists(folder)).toBe(false);
    expect(statuses(await gc())).toEqual(['b1 failed', 'b2 clean']);
    broken.clear();
    expect(statuses(await gc())).toEqual(['b1 collected', 'b2 clean']);
    expect(reaped).toEqual(['b2-process', 'b1-process']);
  });

  it('fails for a driver it does not know', async () => {
    const { addBuild, gc } = await setup();
    await addBuild('b1');
    const report = await gc({ drivers: [] });
    expect(report.builds[0]?.resources[0]).toMatchObject({ ok: false, outcome: 'no driver fake to remove it' });
  });

  it('only looks when told to', async () => {
    const { addBuild, gc, reaped } = await setup();
    const { folder, journal } = await addBuild('b1');
    const before = await readFile(journal, 'utf8');
    const report = await gc({ dryRun: true });
    expect(report.builds[0]?.resources.map(({ outcome }) => outcome)).toEqual(['would be removed', 'would be removed']);
    expect([await exists(folder), reaped, await readFile(journal, 'utf8')]).toEqual([true, [], before]);
  });

  it('finds nothing where there is nothing', async () => {
    const { stateHome, addBuild, gc } = await setup();
    expect((await gc()).builds).toEqual([]);
    await addBuild('b1', { empty: true });
    await mkdir(join(stateHome, 'builds', 'no-journal'));
    await writeFile(join(stateHome, 'builds', 'a-file'), '');
    expect(statuses(await gc())).toEqual(['b1 clean']);
  });
});
