import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { debugfsCommands, mke2fsArgs, word } from '../../../../src/io/disk/ext4.ts';
import type { Tree } from '../../../../src/io/disk/tree.ts';

const EPOCH = 1_700_000_000;
const own = { uid: 0, gid: 0, mtime: EPOCH };

describe('debugfsCommands', () => {
  let dir = '';
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'kib-ext4-'));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  it('makes folders before what they hold and sets their times last', async () => {
    const tree: Tree = new Map([
      ['/etc/shadow', { ...own, kind: 'file', mode: 0o640, gid: 42, source: '/spool/7' }],
      ['/etc', { ...own, kind: 'directory', mode: 0o755, mtime: 12 }],
      ['/bin', { ...own, kind: 'symlink', mode: 0o777, target: 'usr/bin' }],
      ['/', { ...own, kind: 'directory', mode: 0o755 }],
    ]);
    expect(await debugfsCommands(tree, EPOCH, dir)).toEqual([
      'set_inode_field "/" mode 040755',
      'symlink "/bin" "usr/bin"',
      'set_inode_field "/bin" mode 0120777',
      'mkdir "/etc"',
      'set_inode_field "/etc" mode 040755',
      'write "/spool/7" "/etc/shadow"',
      'set_inode_field "/etc/shadow" mode 0100640',
      'set_inode_field "/etc/shadow" gid 42',
      `set_inode_field "/" mtime @${EPOCH}`,
      'set_inode_field "/etc" mtime @12',
    ]);
  });

  it('makes device files where they belong', async () => {
    const tree: Tree = new Map([['/dev/null', { ...own, kind: 'device', mode: 0o666, type: 'c', major: 1, minor: 3 }]]);
    expect(await debugfsCommands(tree, EPOCH, dir)).toEqual([
      'cd "/dev"',
      'mknod "null" c 1 3',
      'cd /',
      'set_inode_field "/dev/null" mode 020666',
    ]);
  });

  it('links after the file is there and counts the names', async () => {
    const tree: Tree = new Map([
      ['/a', { ...own, kind: 'hardlink', mode: 0o755, target: '/b' }],
      ['/b', { ...own, kind: 'file', mode: 0o755, source: '/spool/1' }],
      ['/c', { ...own, kind: 'hardlink', mode: 0o755, target: '/b' }],
    ]);
    expect((await debugfsCommands(tree, EPOCH, dir)).slice(-3)).toEqual([
      'ln "/b" "/a"',
      'ln "/b" "/c"',
      'set_inode_field "/b" links_count 3',
    ]);
  });

  it('hands attribute values over in files, bytes as they are', async () => {
    const value = Buffer.from([1, 0, 0, 2, 0x80]);
    const tree: Tree = new Map([
      ['/ping', { ...own, kind: 'file', mode: 0o755, source: '/spool/1', xattrs: new Map([['security.capability', value]]) }],
    ]);
    const commands = await debugfsCommands(tree, EPOCH, dir);
    expect(commands.at(-1)).toBe(`ea_set -f "${join(dir, 'xattr-0')}" "/ping" security.capability`);
    expect(await readFile(join(dir, 'xattr-0'))).toEqual(value);
  });

  it('does not depend on the order of the tree', async () => {
    const entries = ['/x', '/a-b', '/a', '/a/c'].map(
      (path) => [path, { ...own, kind: 'directory', mode: 0o755 }] as const satisfies readonly [string, unknown],
    );
    const forward: Tree = new Map(entries);
    const backward: Tree = new Map([...entries].reverse());
    expect(await debugfsCommands(forward, EPOCH, dir)).toEqual(await debugfsCommands(backward, EPOCH, dir));
  });
});

describe('word', () => {
  it('quotes blanks and quotes as ss(3) reads them', () => {
    expect(word('a b')).toBe('"a b"');
    expect(word('a "b"')).toBe('"a ""b"""');
    expect(word('a\\x2db')).toBe('"a\\x2db"');
  });

  it('refuses a line break, which would start another command', () => {
    expect(() => word('a\nrm b')).toThrow('line break');
  });
});

describe('mke2fsArgs', () => {
  it('fixes everything that would be random or come from the host', () => {
    const fs = {
      image: 'disk.raw',
      offset: 1024,
      bytes: 8192,
      label: 'root',
      uuid: 'u',
      hashSeed: 'h',
      epoch: EPOCH,
    };
    const args = mke2fsArgs(fs).join(' ');
    expect(args).toContain('-U u');
    expect(args).toContain('hash_seed=h');
    expect(args).toContain('-O none,has_journal');
    expect(args).toMatch(/disk\.raw 2$/);
  });
});
