import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sha256 } from '../../src/core/index.ts';
import { FileSource } from '../../src/io/filesystem/byte-source.ts';
import { openExt4 } from '../../src/io/filesystem/ext4.ts';
import { type FileSystem, UnreadableError } from '../../src/io/filesystem/file-system.ts';
import { listPartitions } from '../../src/io/filesystem/partitions.ts';
import { openXfs } from '../../src/io/filesystem/xfs.ts';
import { run } from '../../src/io/process.ts';
import { makeDisk, makeExt4, makeXfs, type Tree } from '../support/disks.ts';

const signal = new AbortController().signal;

/** Text that tells every block from every other. */
function noise(bytes: number, seed: string): string {
  const line = (index: number): string => sha256(`${seed}${index}`);
  return Array.from({ length: Math.ceil(bytes / 64) }, (_, index) => line(index))
    .join('')
    .slice(0, bytes);
}

function numbered(directory: string, count: number, nameLength: number): Tree {
  return Object.fromEntries(
    Array.from({ length: count }, (_, index) => [`${directory}/${String(index).padStart(nameLength, 'n')}`, `content ${index}`]),
  );
}

const TREE: Tree = {
  '/etc/os-release': { link: '../usr/lib/os-release' },
  '/usr/lib/os-release': 'ID=test\n',
  '/etc/empty': '',
  '/etc/empty.d/': '',
  '/etc/block': noise(4096, 'a'),
  '/etc/blocks': noise(300_001, 'b'),
  '/etc/short': { link: 's'.repeat(59) },
  '/etc/medium': { link: 'm'.repeat(60) },
  '/etc/long': { link: `/${'l'.repeat(300)}` },
  ...numbered('/one-block', 60, 12),
  ...numbered('/leaf', 400, 30),
  // Names fill a block after 15 entries, and each file's data lies between two blocks of the folder.
  ...numbered('/scattered', 700, 250),
};

/** Contents by digest, so that a difference can be read. */
function digests(tree: Tree): Tree {
  const short = (content: Tree[string]): Tree[string] =>
    typeof content === 'string' && content.length > 100 ? `${content.length} bytes, ${sha256(content)}` : content;
  return Object.fromEntries(Object.entries(tree).map(([path, content]) => [path, short(content)]));
}

/** The whole tree as the reader sees it, contents by digest. */
async function walk(fileSystem: FileSystem): Promise<Tree> {
  const found: Record<string, string | { readonly link: string }> = {};
  const visit = async (number: number, path: string): Promise<void> => {
    const inode = await fileSystem.inode(number);
    if (inode.kind === 'file') found[path] = (await fileSystem.read(inode)).toString('utf8');
    if (inode.kind === 'symlink') found[path] = { link: (await fileSystem.read(inode)).toString('utf8') };
    if (inode.kind !== 'directory') return;
    const entries = (await fileSystem.list(inode)).filter(({ name }) => name !== 'lost+found');
    if (entries.length === 0) found[`${path}/`] = '';
    for (const entry of entries) await visit(entry.inode, `${path}/${entry.name}`);
  };
  await visit(fileSystem.root, '');
  return digests(found);
}

async function patch(path: string, offset: number, bytes: readonly number[]): Promise<void> {
  const handle = await open(path, 'r+');
  await handle.write(Buffer.from(bytes), 0, bytes.length, offset);
  await handle.close();
}

let dir = '';
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kib-fs-'));
});
afterAll(() => rm(dir, { recursive: true }));

describe('ext4, written by mke2fs and debugfs', () => {
  it.each([
    ['defaults', []],
    ['blocks of 1 KiB', ['-b', '1024']],
    ['old and small', ['-O', '^64bit,^metadata_csum,^flex_bg', '-I', '128']],
    ['large folders and seeds', ['-O', 'large_dir,metadata_csum_seed,casefold']],
  ])('%s', async (_name, options) => {
    const path = join(dir, 'ext4.img');
    await makeExt4(path, TREE, dir, options);
    await using source = await FileSource.open(path, signal);
    const fileSystem = await openExt4(source);
    expect(fileSystem).toMatchObject({ type: 'ext4', label: 'root', unclean: undefined });
    expect(await walk(fileSystem as FileSystem)).toEqual(digests(TREE));
    const { stdout } = await run('dumpe2fs', ['-h', path], { signal });
    expect(stdout).toMatch(new RegExp(`Filesystem UUID: +${fileSystem?.uuid}\n`));
  });

  it('reads a file in many pieces with holes between', async () => {
    const path = join(dir, 'holes.img');
    const text = noise(2_000_000, 'h');
    await makeExt4(path, { '/etc/big': text }, dir, ['-b', '1024']);
    const holes = Array.from({ length: 900 }, (_, index) => index * 2 + 1);
    const commands = holes.map((block) => `punch /etc/big ${block} ${block}`).join('\n');
    await writeFile(join(dir, 'punch.txt'), commands);
    await run('debugfs', ['-w', '-f', join(dir, 'punch.txt'), path], { signal });
    const { stdout } = await run('debugfs', ['-R', 'ex /etc/big', path], { signal });
    expect(stdout).toMatch(/^ *1\/ *[12] /m); // The tree has more than its root.
    await using source = await FileSource.open(path, signal);
    const expected = Buffer.from(text);
    for (const block of holes) expected.fill(0, block * 1024, (block + 1) * 1024);
    expect(await walk((await openExt4(source)) as FileSystem)).toEqual(digests({ '/etc/big': expected.toString() }));
  });

  it('says when the journal is still to be replayed', async () => {
    const path = join(dir, 'dirty.img');
    await makeExt4(path, { '/a': 'b' }, dir);
    await run('debugfs', ['-w', '-R', 'feature needs_recovery', path], { signal });
    await using source = await FileSource.open(path, signal);
    expect(await openExt4(source)).toMatchObject({ unclean: 'its journal holds changes that are not in place yet' });
  });

  it('refuses features it does not know and inodes without extents', async () => {
    const path = join(dir, 'other.img');
    await makeExt4(path, { '/a': 'b' }, dir, ['-O', '^extents,^64bit']);
    await using old = await FileSource.open(path, signal);
    const fileSystem = (await openExt4(old)) as FileSystem;
    await expect(walk(fileSystem)).rejects.toThrow(/ext4 inode 2 has no extents/);
    await makeExt4(path, {}, dir, ['-O', 'inline_data']);
    await using inline = await FileSource.open(path, signal);
    await expect(openExt4(inline)).rejects.toThrow(UnreadableError);
  });
});

describe('XFS, written by mkfs.xfs', () => {
  it.each([
    ['defaults', []],
    ['folders in blocks of 8 KiB', ['-n', 'size=8192']],
    ['inodes of 2 KiB', ['-i', 'size=2048']],
    ['wide extent counts, as Enterprise Linux 10 has', ['-i', 'nrext64=1']],
    ['blocks of 1 KiB', ['-b', 'size=1024']],
  ])('%s', async (_name, options) => {
    const path = join(dir, 'xfs.img');
    await makeXfs(path, TREE, dir, options);
    await using source = await FileSource.open(path, signal);
    const fileSystem = await openXfs(source);
    expect(fileSystem).toMatchObject({ type: 'xfs', label: 'root', unclean: undefined });
    expect(await walk(fileSystem as FileSystem)).toEqual(digests(TREE));
    expect((await run('xfs_db', ['-r', '-c', 'uuid', path], { signal })).stdout).toBe(`UUID = ${fileSystem?.uuid}\n`);
  });

  it('meets every format of folder on the way', async () => {
    const path = join(dir, 'formats.img');
    await makeXfs(path, TREE, dir);
    const formats = async (folder: string): Promise<string> =>
      (await run('xfs_db', ['-r', '-c', `path ${folder}`, '-c', 'print core.format core.nextents', path], { signal })).stdout;
    expect(await formats('/usr')).toContain('core.format = 1 (local)');
    expect(await formats('/one-block')).toMatch(/core.format = 2 \(extents\)\ncore.nextents = 1\n/);
    expect(await formats('/leaf')).toContain('core.format = 2 (extents)');
    expect(await formats('/scattered')).toContain('core.format = 3 (btree)');
  });

  it('says when the log is still to be replayed', async () => {
    const path = join(dir, 'dirty.img');
    await makeXfs(path, { '/a': 'b' }, dir);
    expect((await run('xfs_logprint', ['-t', path], { signal })).stdout).toContain('state: <CLEAN>');
    const db = async (...commands: string[]): Promise<string> =>
      (await run('xfs_db', ['-r', ...commands.flatMap((command) => ['-c', command]), path], { signal })).stdout;
    const block = /logstart = (\d+)/.exec(await db('sb 0', 'print logstart'))?.[1];
    const start = Number(/\((\d+)\)/.exec(await db(`convert fsblock ${block} byte`))?.[1]);
    // The flags of mkfs's unmount record, in the block after the record's header.
    await patch(path, start + 512 + 9, [0]);
    await using source = await FileSource.open(path, signal);
    expect(await openXfs(source)).toMatchObject({ unclean: 'its log holds changes that are not in place yet' });
    expect((await run('xfs_logprint', ['-t', path], { signal })).stdout).toContain('state: <DIRTY>');
  });

  it('refuses a damaged inode', async () => {
    const path = join(dir, 'damaged.img');
    await makeXfs(path, { '/a': 'b' }, dir);
    const inode = (await run('xfs_db', ['-r', '-c', 'path /a', '-c', 'daddr', path], { signal })).stdout;
    await patch(path, Number(/\d+/.exec(inode)?.[0]) * 512, [0, 0]);
    await using source = await FileSource.open(path, signal);
    await expect(walk((await openXfs(source)) as FileSystem)).rejects.toThrow(/XFS inode \d+ is not where it should be/);
  });
});

describe('partitions', () => {
  it('reads the GPT that sfdisk writes', async () => {
    const ext4 = join(dir, 'p1.img');
    const path = join(dir, 'gpt.img');
    await makeExt4(ext4, { '/a': 'b' }, dir);
    await makeDisk(path, [ext4, ext4]);
    await using source = await FileSource.open(path, signal);
    const partitions = await listPartitions(source);
    const { stdout } = await run('sfdisk', ['-J', path], { signal });
    const { partitiontable } = JSON.parse(stdout) as {
      partitiontable: { partitions: { uuid: string; name: string; size: number }[] };
    };
    expect(partitions.map(({ uuid, name, content }) => ({ uuid: uuid.toUpperCase(), name, size: content.bytes / 512 }))).toEqual(
      partitiontable.partitions.map(({ uuid, name, size }) => ({ uuid, name, size })),
    );
    for (const { content } of partitions) expect(await walk((await openExt4(content)) as FileSystem)).toEqual({ '/a': 'b' });
    await expect(partitions[0]?.content.read(0, 65 * 1024 * 1024)).rejects.toThrow(RangeError);
  });

  it('reads an MBR, and refuses logical partitions', async () => {
    const path = join(dir, 'mbr.img');
    const handle = await open(path, 'w');
    await handle.truncate(64 * 1024 * 1024);
    await handle.close();
    await run('sfdisk', ['-q', path], { signal, input: 'label: dos\nstart=2048,size=20480,type=83\n' });
    await using source = await FileSource.open(path, signal);
    expect((await listPartitions(source)).map(({ number, content }) => [number, content.bytes])).toEqual([[1, 20_480 * 512]]);
    await run('sfdisk', ['-q', path], { signal, input: 'label: dos\ntype=5\n' });
    await expect(listPartitions(source)).rejects.toThrow('an MBR with logical partitions');
  });

  it('takes a disk without a table for one file system', async () => {
    const path = join(dir, 'bare.img');
    await makeXfs(path, { '/a': 'b' }, dir);
    await using source = await FileSource.open(path, signal);
    const [whole, ...more] = await listPartitions(source);
    expect(more).toEqual([]);
    expect(await openXfs(whole?.content ?? source)).toMatchObject({ type: 'xfs' });
  });
});
