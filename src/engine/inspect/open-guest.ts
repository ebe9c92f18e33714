import { errorMessage, isKibError, KibError } from '../../core/index.ts';
import type { ByteSource } from '../../io/filesystem/byte-source.ts';
import { openExt4 } from '../../io/filesystem/ext4.ts';
import type { FileSystem } from '../../io/filesystem/file-system.ts';
import { listPartitions, type Partition } from '../../io/filesystem/partitions.ts';
import { openXfs } from '../../io/filesystem/xfs.ts';
import { type GuestFiles, type Mount, mountFiles } from './guest-files.ts';

/** A guest's files and the file systems they lie on. */
export interface OpenGuest {
  readonly files: GuestFiles;
  readonly mounts: readonly Mount[];
}

interface Volume {
  readonly partition: Partition;
  readonly fileSystem: FileSystem | undefined;
  /** `partition 3: LVM2 physical volume`, for messages. */
  readonly description: string;
}

/** Signatures of what is recognised but not read: text at a byte offset. */
const OTHERS: readonly (readonly [title: string, offset: number, text: string])[] = [
  ['btrfs', 65_536 + 64, '_BHRfS_M'],
  ['LVM2 physical volume', 512, 'LABELONE'],
  ['LUKS', 0, 'LUKS'],
  ['swap', 4086, 'SWAPSPACE2'],
  ['FAT', 82, 'FAT32'],
  ['FAT', 54, 'FAT1'],
  ['squashfs', 0, 'hsqs'],
];

const HINT =
  'inspection reads ext4 and XFS on GPT or MBR partitions; use such a base, or build with --no-verify and judge the image yourself';

/**
 * Finds the root file system of a raw disk by its content (/etc/os-release) and what its fstab mounts beside it. Throws KIB_INSPECT when
 * there is not exactly one root, or when any part of the tree cannot be read.
 */
export async function openGuest(disk: ByteSource): Promise<OpenGuest> {
  const volumes = await listVolumes(disk);
  const roots: Volume[] = [];
  for (const volume of volumes) if (await isRoot(volume)) roots.push(volume);
  const [root, ...more] = roots;
  if (root?.fileSystem === undefined || more.length > 0) {
    const what = more.length > 0 ? 'more than one system' : 'no system';
    throw new KibError('KIB_INSPECT', `the disk holds ${what} (a file system with /etc/os-release): ${describe(volumes)}`, {
      hint: HINT,
    });
  }
  const rootMount: Mount = { at: '/', fileSystem: root.fileSystem };
  const fstab = (await mountFiles([rootMount]).read('/etc/fstab')) ?? '';
  const mounts = [rootMount, ...parseFstab(fstab).flatMap((entry) => mountOf(entry, volumes))];
  return { files: mountFiles(mounts), mounts };
}

async function listVolumes(disk: ByteSource): Promise<readonly Volume[]> {
  const partitions = await listPartitions(disk).catch((error: unknown) => {
    throw new KibError('KIB_INSPECT', `the partition table cannot be read: ${errorMessage(error)}`, { hint: HINT, cause: error });
  });
  const volumes: Volume[] = [];
  for (const partition of partitions) volumes.push(await openVolume(partition));
  return volumes;
}

/** What cannot be read here may not matter; when it does, the description says why. */
async function openVolume(partition: Partition): Promise<Volume> {
  const where = partition.number === 0 ? 'the whole disk' : `partition ${partition.number}`;
  try {
    const fileSystem = (await openExt4(partition.content)) ?? (await openXfs(partition.content));
    return { partition, fileSystem, description: `${where}: ${fileSystem?.type ?? (await identify(partition.content))}` };
  } catch (error) {
    if (isKibError(error)) throw error;
    return { partition, fileSystem: undefined, description: `${where}: ${errorMessage(error)}` };
  }
}

async function identify(source: ByteSource): Promise<string> {
  for (const [title, offset, text] of OTHERS) {
    if (source.bytes < offset + text.length) continue;
    if ((await source.read(offset, text.length)).toString('latin1') === text) return title;
  }
  return 'not recognised';
}

async function isRoot({ fileSystem }: Volume): Promise<boolean> {
  return fileSystem !== undefined && (await mountFiles([{ at: '/', fileSystem }]).read('/etc/os-release')) !== undefined;
}

function describe(volumes: readonly Volume[]): string {
  return volumes.map(({ description }) => description).join(', ');
}

/** One line of fstab(5). */
export interface FstabEntry {
  readonly spec: string;
  readonly mountPoint: string;
  readonly type: string;
  readonly options: readonly string[];
}

/** Reads fstab(5): comments and blank lines left out, `\040` for a blank undone. */
export function parseFstab(text: string): readonly FstabEntry[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const fields = line
        .split(/\s+/)
        .map((field) => field.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))));
      const [spec = '', mountPoint = '', type = '', options = ''] = fields;
      return { spec, mountPoint, type, options: options.split(',') };
    });
}

/** Nothing that is judged lies there, and ESPs are FAT. */
const NOT_JUDGED = ['/', '/boot', '/boot/efi', '/efi', 'none', 'swap'];

function mountOf(entry: FstabEntry, volumes: readonly Volume[]): readonly Mount[] {
  const { spec, mountPoint, options } = entry;
  if (NOT_JUDGED.includes(mountPoint) || options.includes('noauto') || !isBlockDevice(spec)) return [];
  const volume = volumes.find((volume) => matches(spec, volume));
  if (volume?.fileSystem !== undefined) return [{ at: mountPoint.replace(/(.)\/+$/, '$1'), fileSystem: volume.fileSystem }];
  if (volume === undefined && options.includes('nofail')) return [];
  throw new KibError(
    'KIB_INSPECT',
    `fstab mounts ${spec} on ${mountPoint}, which cannot be read; the disk has ${describe(volumes)}`,
    { hint: HINT },
  );
}

function isBlockDevice(spec: string): boolean {
  return spec.startsWith('/dev/') || /^(UUID|LABEL|PARTUUID|PARTLABEL)=/.test(spec);
}

function matches(spec: string, { partition, fileSystem }: Volume): boolean {
  const [, tag = '', value = ''] = /^(\w+)="?([^"]*)"?$/.exec(spec) ?? [];
  switch (tag) {
    case 'UUID':
      return fileSystem?.uuid === value.toLowerCase();
    case 'LABEL':
      return fileSystem?.label === value;
    case 'PARTUUID':
      return partition.uuid === value.toLowerCase();
    case 'PARTLABEL':
      return partition.name === value;
    default:
      // The build has one disk, so a device name is told by its partition number: vda3, sda3, nvme0n1p3.
      return (
        partition.number !== 0 && /^\/dev\/(?:[svx]v?d[a-z]|nvme\d+n\d+p)(\d+)$/.exec(spec)?.[1] === String(partition.number)
      );
  }
}
