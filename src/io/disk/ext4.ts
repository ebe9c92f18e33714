import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../process.ts';
import { sortedPaths, type Tree, type TreeEntry } from './tree.ts';

const BLOCK = 4096;
/** Default features of e2fsprogs 1.46: what GRUB and the kernels of every supported release read. */
const FEATURES =
  'has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,huge_file,dir_nlink,extra_isize,metadata_csum';

const TYPE_BITS = { file: 0o100000, directory: 0o040000, symlink: 0o120000, fifo: 0o010000, b: 0o060000, c: 0o020000 } as const;

export interface Ext4 {
  /** Raw image that holds the file system, and where in it. */
  readonly image: string;
  readonly offset: number;
  readonly bytes: number;
  readonly label: string;
  readonly uuid: string;
  /** UUID that seeds the hash of folder indexes. */
  readonly hashSeed: string;
  /** Seconds since the epoch for every time stamp that the tree does not give. */
  readonly epoch: number;
}

/**
 * Makes an ext4 file system and fills it from a tree: the same tree gives the same bytes on every host, as root or not. The order of inodes is
 * the tree's; `mke2fs -d` takes the order in which the host's file system lists a folder, and owners from the host's files. Throws when
 * the result is not clean.
 */
export async function makeExt4(fs: Ext4, tree: Tree, scratch: string, signal: AbortSignal): Promise<void> {
  // The configuration file of the host would add defaults of its own.
  const env = { MKE2FS_CONFIG: '/dev/null', E2FSPROGS_FAKE_TIME: String(fs.epoch), SOURCE_DATE_EPOCH: String(fs.epoch) };
  const device = `${fs.image}?offset=${fs.offset}`;
  await run('mke2fs', mke2fsArgs(fs), { env, signal });
  const script = join(scratch, 'debugfs.txt');
  await writeFile(script, `${(await debugfsCommands(tree, fs.epoch, scratch)).join('\n')}\n`);
  const filled = await run('debugfs', ['-w', '-f', script, device], { env, signal });
  // debugfs(8) exits with 0 whatever happens; only its version is no complaint.
  const complaint = filled.stderr.split('\n').find((line) => line !== '' && !line.startsWith('debugfs '));
  if (complaint !== undefined) throw new Error(`debugfs could not fill the file system: ${complaint}`);
  await run('e2fsck', ['-f', '-n', device], { env, signal });
}

export function mke2fsArgs(fs: Ext4): string[] {
  const extended = [`offset=${fs.offset}`, `hash_seed=${fs.hashSeed}`, 'root_owner=0:0', 'lazy_itable_init=0', 'nodiscard'];
  return [
    ['-q', '-F', '-b', String(BLOCK), '-I', '256', '-i', '16384', '-O', `none,${FEATURES}`],
    ['-L', fs.label, '-U', fs.uuid, '-E', extended.join(','), fs.image, String(Math.floor(fs.bytes / BLOCK))],
  ].flat();
}

/** Lines for debugfs(8) that make the tree in an empty file system. Attribute values go into files below `scratch`. */
export async function debugfsCommands(tree: Tree, epoch: number, scratch: string): Promise<string[]> {
  const links = new Map<string, number>();
  const commands: string[] = [];
  const hardlinks: string[] = [];
  const times: string[] = [];
  let values = 0;
  for (const path of sortedPaths(tree)) {
    const entry = tree.get(path);
    if (entry === undefined) continue;
    if (entry.kind === 'hardlink') {
      links.set(entry.target, (links.get(entry.target) ?? 1) + 1);
      // After its file, whatever the order of their names.
      hardlinks.push(`ln ${word(entry.target)} ${word(path)}`);
      continue;
    }
    if (path !== '/') commands.push(...creation(path, entry));
    // Making an entry touches its folder, so a folder's own time is set after everything else.
    const { before, after } = attributes(path, entry, epoch);
    commands.push(...before);
    times.push(...after);
    for (const [name, value] of entry.kind === 'file' ? (entry.xattrs ?? []) : []) {
      const file = join(scratch, `xattr-${values++}`);
      await writeFile(file, value);
      commands.push(`ea_set -f ${word(file)} ${word(path)} ${name}`);
    }
  }
  const counts = [...links].map(([target, count]) => `set_inode_field ${word(target)} links_count ${count}`);
  return [...commands, ...hardlinks, ...counts, ...times];
}

function creation(path: string, entry: Exclude<TreeEntry, { kind: 'hardlink' }>): readonly string[] {
  switch (entry.kind) {
    case 'file':
      return [`write ${word(entry.source)} ${word(path)}`];
    case 'directory':
      return [`mkdir ${word(path)}`];
    case 'symlink':
      return [`symlink ${word(path)} ${word(entry.target)}`];
    case 'device':
      return makeNode(path, `${entry.type} ${entry.major} ${entry.minor}`);
    case 'fifo':
      return makeNode(path, 'p');
  }
}

// Unlike the other commands, mknod takes a name in the current folder.
function makeNode(path: string, what: string): readonly string[] {
  const slash = path.lastIndexOf('/');
  return [`cd ${word(path.slice(0, slash) || '/')}`, `mknod ${word(path.slice(slash + 1))} ${what}`, 'cd /'];
}

function attributes(
  path: string,
  entry: Exclude<TreeEntry, { kind: 'hardlink' }>,
  epoch: number,
): { before: string[]; after: string[] } {
  const set = (field: string, value: string) => `set_inode_field ${word(path)} ${field} ${value}`;
  const type = entry.kind === 'device' ? TYPE_BITS[entry.type] : TYPE_BITS[entry.kind];
  const owner = [
    set('mode', `0${(type | entry.mode).toString(8)}`),
    ...(entry.uid === 0 ? [] : [set('uid', String(entry.uid))]),
    ...(entry.gid === 0 ? [] : [set('gid', String(entry.gid))]),
  ];
  const time = set('mtime', `@${entry.mtime}`);
  if (entry.kind === 'directory') return { before: owner, after: [time] };
  return { before: entry.mtime === epoch ? owner : [...owner, time], after: [] };
}

/** One argument for debugfs: quoted as in ss(3), where a doubled quote stands for one. */
export function word(text: string): string {
  if (/[\n\r\0]/.test(text)) throw new Error(`debugfs cannot take a name with a line break: ${JSON.stringify(text)}`);
  return `"${text.replaceAll('"', '""')}"`;
}
