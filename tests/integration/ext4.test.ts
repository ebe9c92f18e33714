import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeExt4 } from '../../src/io/disk/ext4.ts';
import type { Tree } from '../../src/io/disk/tree.ts';
import { run } from '../../src/io/process.ts';

const signal = new AbortController().signal;
const EPOCH = 1_700_000_000;
const OFFSET = 1 << 20;
const own = { uid: 0, gid: 0, mtime: EPOCH };
/** cap_net_raw+ep, as setcap(8) writes it. */
const CAPABILITY = Buffer.from('0100000200200000000000000000000000000000', 'hex');

describe('an ext4 file system made from a tree', () => {
  let dir = '';
  let image = '';

  async function make(name: string, epoch: number): Promise<string> {
    const path = join(dir, name);
    await writeFile(path, '');
    await truncate(path, 65 << 20);
    const source = join(dir, 'content');
    await writeFile(source, 'hello\n');
    const tree: Tree = new Map([
      ['/', { ...own, kind: 'directory', mode: 0o755 }],
      ['/dir', { uid: 1000, gid: 70_000, mtime: 1_600_000_000, kind: 'directory', mode: 0o1777 }],
      ['/dir/a "b" c\\x2dd ő', { uid: 70_000, gid: 42, mtime: 1_500_000_000, kind: 'file', mode: 0o4755, source }],
      ['/ping', { ...own, kind: 'file', mode: 0o755, source, xattrs: new Map([['security.capability', CAPABILITY]]) }],
      ['/alias', { ...own, kind: 'hardlink', mode: 0o755, target: '/ping' }],
      ['/long', { ...own, kind: 'symlink', mode: 0o777, target: `/${'x'.repeat(200)}` }],
      ['/null', { ...own, kind: 'device', mode: 0o666, type: 'c', major: 1, minor: 3 }],
      ['/pipe', { ...own, kind: 'fifo', mode: 0o600 }],
    ]);
    const uuid = 'aaaaaaaa-bbbb-8ccc-8ddd-eeeeeeeeeeee';
    await makeExt4(
      { image: path, offset: OFFSET, bytes: 64 << 20, label: 'root', uuid, hashSeed: uuid, epoch },
      tree,
      dir,
      signal,
    );
    return path;
  }

  async function debugfs(request: string): Promise<string> {
    const { stdout } = await run('debugfs', ['-R', request, `${image}?offset=${OFFSET}`], { signal, env: { TZ: 'UTC' } });
    return stdout;
  }

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'kib-ext4-'));
    image = await make('a.raw', EPOCH);
  });
  afterAll(() => rm(dir, { recursive: true, force: true }));

  it('keeps owners above 16 bit, modes and times', async () => {
    const file = await debugfs('stat "/dir/a ""b"" c\\x2dd ő"');
    expect(file).toMatch(/Type: regular +Mode: +04755/);
    expect(file).toMatch(/User: 70000 +Group: +42/);
    expect(file).toMatch(/mtime: 0x59682f00/);
    const folder = await debugfs('stat /dir');
    expect(folder).toMatch(/Type: directory +Mode: +01777/);
    expect(folder).toMatch(/User: +1000 +Group: 70000/);
    expect(folder).toMatch(/mtime: 0x5f5e1000/);
  });

  it('keeps content, links and file capabilities', async () => {
    expect(await debugfs('cat /alias')).toBe('hello\n');
    expect(await debugfs('stat /ping')).toMatch(/Links: 2/);
    expect(await debugfs('ea_get -x /ping security.capability')).toContain('01 00 00 02 00 20 00 00');
    expect(await debugfs('stat /long')).toMatch(/Type: symlink[\s\S]*Size: 201/);
    expect(await debugfs('stat /null')).toMatch(/Type: character special +Mode: +0666[\s\S]*01:03/);
    expect(await debugfs('stat /pipe')).toMatch(/Type: FIFO +Mode: +0600/);
  });

  it('has the same bytes when made again, and other ones at another time', async () => {
    const bytes = await readFile(image);
    expect((await readFile(await make('b.raw', EPOCH))).equals(bytes)).toBe(true);
    expect((await readFile(await make('c.raw', EPOCH + 1))).equals(bytes)).toBe(false);
  });

  it('says what could not be written', async () => {
    const tree: Tree = new Map([['/a', { ...own, kind: 'file', mode: 0o644, source: join(dir, 'nowhere') }]]);
    const path = join(dir, 'd.raw');
    await writeFile(path, '');
    await truncate(path, 65 << 20);
    const uuid = 'aaaaaaaa-bbbb-8ccc-8ddd-eeeeeeeeeeee';
    const fs = { image: path, offset: OFFSET, bytes: 64 << 20, label: 'root', uuid, hashSeed: uuid, epoch: EPOCH };
    await expect(makeExt4(fs, tree, dir, signal)).rejects.toThrow('debugfs could not fill the file system');
  });
});
