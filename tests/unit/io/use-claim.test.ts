import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Scope } from '../../../src/core/index.ts';
import { ifUnlocked, isFileLocked, withFileLock } from '../../../src/io/file-lock.ts';
import { claimUse, isUsed } from '../../../src/io/use-claim.ts';
import { hurriedClock } from '../../support/http-server.ts';
import { MemoryJournal, testContext } from '../../support/test-context.ts';

const { signal } = new AbortController();

async function setup() {
  const context = await testContext();
  onTestFinished(() => context[Symbol.asyncDispose]());
  const { root, journal, dirs } = context;
  const user = async (name: string) => {
    const scope = new Scope();
    await mkdir(join(root, name));
    await claimUse(join(dirs.cache, 'x'), join(root, name), { scope, journal });
    return scope;
  };
  return { root, journal, dir: dirs.cache, path: join(dirs.cache, 'x'), user };
}

describe('claimUse', () => {
  it('counts until the scope of the last user is done', async () => {
    const { dir, path, journal, user } = await setup();
    expect(await isUsed(path)).toBe(false);
    const users = [await user('a'), await user('b')];
    expect(journal.held.map(({ kind }) => kind)).toEqual(['path', 'path']);
    await users[0]?.[Symbol.asyncDispose]();
    expect(await isUsed(path)).toBe(true);
    expect(await isFileLocked(path, signal)).toBe(true);
    expect(await isUsed(join(dir, 'xy'))).toBe(false);
    await users[1]?.[Symbol.asyncDispose]();
    expect(await isFileLocked(path, signal)).toBe(false);
    expect(await readdir(dir)).toEqual([]);
    expect(journal.held).toEqual([]);
  });

  it('counts as long as the folder of the user is there, whoever made it', async () => {
    const { root, path, user } = await setup();
    await user('a');
    // As gc removes what a killed build left.
    await rm(join(root, 'a'), { recursive: true });
    expect(await isUsed(path)).toBe(false);
  });
});

describe('ifUnlocked', () => {
  it('does the work alone, and leaves no claim', async () => {
    const { dir, path } = await setup();
    let isLocked = false;
    const ran = await ifUnlocked(path, signal, async () => {
      isLocked = await isFileLocked(path, signal);
    });
    expect({ ran, isLocked }).toEqual({ ran: true, isLocked: true });
    await expect(ifUnlocked(path, signal, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await readdir(dir)).toEqual([]);
  });

  it('does not wait for who holds the lock, nor for who uses it', async () => {
    const { path, user } = await setup();
    let runs = 0;
    const work = async () => {
      runs++;
    };
    const locked = await withFileLock(path, { clock: hurriedClock(), signal, journal: new MemoryJournal() }, () =>
      ifUnlocked(path, signal, work),
    );
    await using _ = await user('a');
    expect([locked, await ifUnlocked(path, signal, work), runs]).toEqual([false, false, 0]);
  });
});
