import { appendFile, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Resource } from '../../../src/core/index.ts';
import { BuildJournal, markCollected, readJournal } from '../../../src/engine/journal.ts';

const OWNER = { pid: 4242, identity: '12345' };

async function journalPath(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'kib-journal-'));
  onTestFinished(() => rm(dir, { recursive: true }));
  return join(dir, 'journal.ndjson');
}

async function open(file: string): Promise<BuildJournal> {
  const journal = await BuildJournal.create(file, OWNER);
  onTestFinished(() => journal.close().catch(() => {}));
  return journal;
}

const path = (id: string): Resource => ({ kind: 'path', id });

describe('BuildJournal', () => {
  it('knows what is held, newest first', async () => {
    const file = await journalPath();
    const journal = await open(file);
    const a = await journal.acquire(path('/a'));
    await journal.acquire({ kind: 'qemu:process', id: 'x', data: { pid: '7' } });
    await journal.acquire(path('/c'));
    await a();
    expect(await readJournal(file)).toEqual({
      owner: OWNER,
      held: [path('/c'), { kind: 'qemu:process', id: 'x', data: { pid: '7' } }],
      isKept: false,
      isEnded: false,
    });
  });

  it('tells two of the same thing apart', async () => {
    const file = await journalPath();
    const journal = await open(file);
    const first = await journal.acquire(path('/a'));
    await journal.acquire(path('/a'));
    await first();
    expect((await readJournal(file)).held).toEqual([path('/a')]);
  });

  it('has each line in the file when the call resolves, in the order of the calls', async () => {
    const file = await journalPath();
    const journal = await open(file);
    const calls = Array.from({ length: 20 }, (_, n) => journal.acquire(path(`/${n}`)));
    await calls[4];
    expect((await readJournal(file)).held.length).toBeGreaterThanOrEqual(5);
    await Promise.all(calls);
    const ids = (await readJournal(file)).held.map(({ id }) => id);
    expect(ids).toEqual(Array.from({ length: 20 }, (_, n) => `/${19 - n}`));
  });

  it('tells keep and the end', async () => {
    const file = await journalPath();
    const journal = await open(file);
    await journal.keep();
    await journal.close();
    expect(await readJournal(file)).toMatchObject({ isKept: true, isEnded: true });
  });

  it('is readable by its owner alone, and never written over', async () => {
    const file = await journalPath();
    await (await BuildJournal.create(file, OWNER)).close();
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    await expect(BuildJournal.create(file, OWNER)).rejects.toMatchObject({ code: 'EEXIST' });
  });
});

describe('readJournal', () => {
  it('leaves out a torn last line, wherever it was torn', async () => {
    const file = await journalPath();
    const journal = await open(file);
    const release = await journal.acquire(path('/a'));
    await release();
    await journal.acquire(path('/b'));
    const text = await readFile(file, 'utf8');
    const whole = text.split('\n').filter((line) => line !== '');
    for (let length = 0; length < text.length; length++) {
      await writeFile(file, text.slice(0, length));
      const { held } = await readJournal(file);
      const lines = whole.filter((_, index) => whole.slice(0, index + 1).join('\n').length <= length).length;
      expect(held.map(({ id }) => id)).toEqual([[], [], ['/a'], [], ['/b']][lines]);
    }
  });

  it('is empty for an empty file and fails for none', async () => {
    const file = await journalPath();
    await expect(readJournal(file)).rejects.toMatchObject({ code: 'ENOENT' });
    await writeFile(file, '');
    expect(await readJournal(file)).toEqual({ owner: undefined, held: [], isKept: false, isEnded: false });
  });
});

describe('markCollected', () => {
  it('empties the ledger, also behind a torn line', async () => {
    const file = await journalPath();
    const journal = await open(file);
    await journal.acquire(path('/a'));
    await appendFile(file, '{"op":"acqu');
    await markCollected(file);
    const text = await readFile(file, 'utf8');
    expect((await readJournal(file)).held).toEqual([]);
    expect(text).toContain('"/a"');
  });
});
