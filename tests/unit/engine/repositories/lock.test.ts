import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isKibError, type Requirement } from '../../../../src/core/index.ts';
import { applyLock } from '../../../../src/engine/repositories/lock.ts';
import { type TestContext, testContext } from '../../../support/test-context.ts';

const hex = (digit: string) => digit.repeat(64);
const base = { sha256: hex('b') };
const repositories = [
  { url: 'https://a.example/dists/trixie/InRelease', sha256: hex('1') },
  { url: 'https://b.example/repodata/repomd.xml', sha256: hex('2') },
];
const requirement = (url: string, digit: string, why = 'a tool'): Requirement => ({
  url,
  sha256: hex(digit),
  checksumUrl: undefined,
  why,
});
const plan = {
  name: 'debian13-kube-v1.36.1',
  requirements: [
    requirement('https://user:secret@c.example/tool.tar.gz?token=secret', '3'),
    requirement('file:///home/me/images/motd%20one', '4', 'provision: motd one'),
  ],
};

let context: TestContext;
let path: string;
beforeEach(async () => {
  context = await testContext();
  path = join(context.root, 'kib.lock');
});
afterEach(() => context[Symbol.asyncDispose]());

const write = (name = plan.name) => applyLock({ ...plan, name }, base, repositories, { path, locked: false }, context);
const drift = async (changes: {
  base?: string;
  repositories?: typeof repositories;
  requirements?: Requirement[];
  name?: string;
}) => {
  const { base: digest = base.sha256, repositories: found = repositories, ...rest } = changes;
  try {
    await applyLock({ ...plan, ...rest }, { sha256: digest }, found, { path, locked: true }, context);
  } catch (error) {
    if (isKibError(error)) return { code: error.code, message: error.message.replaceAll(path, 'kib.lock'), hint: error.hint };
    throw error;
  }
  return undefined;
};

describe('a lock file', () => {
  it('is made to be read in a review: sorted, without secrets or paths of this host', async () => {
    await write();
    expect(await readFile(path, 'utf8')).toBe(`{
  "v": 1,
  "images": {
    "debian13-kube-v1.36.1": {
      "base": "${hex('b')}",
      "repositories": {
        "https://a.example/dists/trixie/InRelease": "${hex('1')}",
        "https://b.example/repodata/repomd.xml": "${hex('2')}"
      },
      "requirements": {
        "https://***@c.example/tool.tar.gz?***": "${hex('3')}",
        "motd one (provision: motd one)": "${hex('4')}"
      }
    }
  }
}
`);
    expect(context.journal.held).toEqual([]);
    expect(await readdir(context.root)).toEqual(expect.arrayContaining(['kib.lock']));
    expect((await readdir(context.root)).filter((name) => name.startsWith('kib.lock.'))).toEqual([]);
  });

  it('is not touched when nothing changed', async () => {
    await write();
    const text = (await readFile(path, 'utf8')).replace('\n}', '\n\n}');
    await writeFile(path, text);
    await write();
    expect(await readFile(path, 'utf8')).toBe(text);
  });

  it('keeps other images, also those that are written at the same time', async () => {
    const names = ['a', 'b', 'c', 'd', 'e'];
    await Promise.all(names.map((name) => write(name)));
    await write('f');
    const { images } = JSON.parse(await readFile(path, 'utf8')) as { images: Record<string, unknown> };
    expect(Object.keys(images)).toEqual([...names, 'f']);
  });

  it('locks nothing whose digest is not known', async () => {
    const open = { ...requirement('https://c.example/tool', '3'), sha256: undefined };
    const locking = applyLock({ ...plan, requirements: [open] }, base, repositories, { path, locked: false }, context);
    await expect(locking).rejects.toMatchObject({ code: 'KIB_CHECKSUM_MISSING' });
  });

  it('that was damaged, as by a merge conflict, is not guessed at', async () => {
    await writeFile(path, '<<<<<<< HEAD\n{"v":1}');
    const refused = { code: 'KIB_LOCK_DRIFT', message: expect.stringContaining('kib.lock is not a lock file') as string };
    await expect(write()).rejects.toMatchObject(refused);
    expect(await drift({})).toMatchObject(refused);
  });
});

describe('a locked build', () => {
  it('goes on when everything is as the file says', async () => {
    await write();
    expect(await drift({})).toBeUndefined();
  });

  it('names the one thing that is not', async () => {
    await write();
    const [first] = repositories;
    const moved = repositories.map((each) => (each === first ? { ...each, sha256: hex('9') } : each));
    expect(await drift({ repositories: moved })).toEqual({
      code: 'KIB_LOCK_DRIFT',
      message: `debian13-kube-v1.36.1: something is not as kib.lock says:
  package repository https://a.example/dists/trixie/InRelease: want ${hex('1')}, got ${hex('9')}`,
      hint: 'to take up what changed, build with --lock instead of --locked and commit the lock file',
    });
  });

  it('names all of them', async () => {
    await write();
    const [first] = repositories;
    const more = [...(first === undefined ? [] : [first]), { url: 'https://new.example/InRelease', sha256: hex('5') }];
    const requirements = [requirement('https://c.example/other.tar.gz', '3')];
    expect((await drift({ base: hex('c'), repositories: more, requirements }))?.message).toBe(
      `debian13-kube-v1.36.1: 6 things are not as kib.lock says:
  base image: want ${hex('b')}, got ${hex('c')}
  package repository https://b.example/repodata/repomd.xml: want ${hex('2')}, got none
  package repository https://new.example/InRelease: want none, got ${hex('5')}
  download https://***@c.example/tool.tar.gz?***: want ${hex('3')}, got none
  download https://c.example/other.tar.gz: want none, got ${hex('3')}
  download motd one (provision: motd one): want ${hex('4')}, got none`,
    );
  });

  it('refuses what was never locked, and writes nothing', async () => {
    expect(await drift({})).toEqual({
      code: 'KIB_LOCK_DRIFT',
      message: 'kib.lock says nothing about debian13-kube-v1.36.1',
      hint: 'build with --lock instead of --locked, and commit the lock file',
    });
    await write();
    const before = await readFile(path, 'utf8');
    expect((await drift({ name: 'other' }))?.message).toBe('kib.lock says nothing about other');
    expect(await readFile(path, 'utf8')).toBe(before);
  });
});
