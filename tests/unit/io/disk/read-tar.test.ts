import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { pack } from 'tar-stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseHeader, parsePax, readTar } from '../../../../src/io/disk/read-tar.ts';

const signal = new AbortController().signal;
const mtime = new Date(1_700_000_000_000);
let dir = '';
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kib-tar-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

async function archive(fill: (tar: ReturnType<typeof pack>) => void): Promise<string> {
  const tar = pack();
  fill(tar);
  tar.finalize();
  const path = join(dir, 'system.tar');
  await writeFile(path, await buffer(tar));
  return path;
}

describe('readTar', () => {
  it('reads every kind of entry with owner, mode and time', async () => {
    const path = await archive((tar) => {
      tar.entry({ name: './', type: 'directory', mode: 0o755, mtime });
      tar.entry({ name: './etc/', type: 'directory', mode: 0o755, mtime });
      tar.entry({ name: './etc/shadow', mode: 0o640, uid: 0, gid: 42, mtime }, 'root:*\n');
      tar.entry({ name: './usr/bin/sudo', mode: 0o4755, mtime }, Buffer.alloc(5_000_000, 7));
      tar.entry({ name: './usr/bin/sudo2', type: 'link', linkname: './usr/bin/sudo', mtime });
      tar.entry({ name: './bin', type: 'symlink', linkname: 'usr/bin', mode: 0o777, mtime });
      tar.entry({ name: './dev/null', type: 'character-device', devmajor: 1, devminor: 3, mode: 0o666, mtime });
      tar.entry({ name: './run/pipe', type: 'fifo', mode: 0o600, mtime });
    });
    const tree = await readTar(path, dir, signal);
    expect([...tree.keys()]).toEqual([
      '/',
      '/etc',
      '/etc/shadow',
      '/usr/bin/sudo',
      '/usr/bin/sudo2',
      '/bin',
      '/dev/null',
      '/run/pipe',
    ]);
    expect(tree.get('/etc/shadow')).toMatchObject({ kind: 'file', mode: 0o640, uid: 0, gid: 42, mtime: 1_700_000_000 });
    expect(tree.get('/usr/bin/sudo')).toMatchObject({ kind: 'file', mode: 0o4755 });
    expect(tree.get('/usr/bin/sudo2')).toMatchObject({ kind: 'hardlink', target: '/usr/bin/sudo' });
    expect(tree.get('/bin')).toMatchObject({ kind: 'symlink', target: 'usr/bin' });
    expect(tree.get('/dev/null')).toMatchObject({ kind: 'device', type: 'c', major: 1, minor: 3 });
    expect(tree.get('/run/pipe')).toMatchObject({ kind: 'fifo', mode: 0o600 });
    const sudo = tree.get('/usr/bin/sudo');
    if (sudo?.kind !== 'file') throw new Error('no file');
    expect((await readFile(sudo.source)).equals(Buffer.alloc(5_000_000, 7))).toBe(true);
  });

  it('takes long names and non-ASCII ones from the pax header', async () => {
    const name = `./usr/share/${'deep/'.repeat(40)}Főtanúsítvány.crt`;
    const tree = await readTar(await archive((tar) => tar.entry({ name, mtime }, 'x')), dir, signal);
    expect([...tree.keys()]).toEqual([name.slice(1)]);
  });

  it('refuses an archive that was cut short', async () => {
    const path = await archive((tar) => tar.entry({ name: './a', mtime }, 'x'.repeat(2000)));
    await writeFile(path, (await readFile(path)).subarray(0, 1500));
    await expect(readTar(path, dir, signal)).rejects.toThrow('ends too early');
  });

  it('refuses what is no archive', async () => {
    const path = join(dir, 'system.tar');
    await writeFile(path, Buffer.alloc(2048, 0x41));
    await expect(readTar(path, dir, signal)).rejects.toThrow(/not octal|not a tar/);
    expect(() => parseHeader(Buffer.alloc(512, 0x31))).toThrow();
  });
});

describe('parsePax', () => {
  it('keeps values that are no text, such as file capabilities', () => {
    const value = Buffer.from([1, 0, 0, 2, 0x80, 0x20, 0, 0, 0xff, 0x0a, 0]);
    const key = 'SCHILY.xattr.security.capability';
    const length = 3 + key.length + 1 + value.length + 1;
    const record = Buffer.concat([Buffer.from(`${length} ${key}=`), value, Buffer.from('\n')]);
    const next = Buffer.from('12 mtime=12\n');
    expect(parsePax(Buffer.concat([record, next]))).toEqual(
      new Map([
        [key, value],
        ['mtime', Buffer.from('12')],
      ]),
    );
  });

  it('refuses a broken record', () => {
    expect(() => parsePax(Buffer.from('garbage'))).toThrow('broken pax header');
  });
});
