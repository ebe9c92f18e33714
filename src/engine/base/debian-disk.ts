import { readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Arch, GiB, MiB } from '../../core/index.ts';
import { makeEsp } from '../../io/disk/esp.ts';
import { makeExt4 } from '../../io/disk/ext4.ts';
import { PARTITION_TYPES, type Partition, SECTOR, writePartitionTable } from '../../io/disk/gpt.ts';
import { installBiosBoot } from '../../io/disk/grub-bios.ts';
import type { Tree } from '../../io/disk/tree.ts';
import { ARCHS, espGrubConfig, type ImageIds } from './debian-image.ts';
import { treeSource } from './image-tree.ts';
import { ASSEMBLY } from './mmdebstrap.ts';

export interface DiskRequest {
  readonly arch: Arch;
  readonly ids: ImageIds;
  readonly epoch: number;
  /** Raw image to write. */
  readonly image: string;
  /** What the root file system must hold, in bytes. */
  readonly contentBytes: number;
  /** core.img of the BIOS loader; amd64 only. */
  readonly coreImage: Uint8Array | undefined;
  readonly scratch: string;
  readonly signal: AbortSignal;
}

/** Size of the official images; the root grows at the first boot. */
const SMALLEST_DISK = 3 * GiB;
/** The backup GPT at the end, rounded up. */
const TAIL = MiB;

// Numbers and places of the official cloud images (cloud.debian.org); the root is last on the disk, so that it can grow.
const BIOS = { firstSector: 2048, sectors: 6144 } as const;
const ESP = { firstSector: 8192, sectors: 253_952 } as const;
const ROOT_FIRST = 262_144;

export interface DiskLayout {
  readonly bytes: number;
  readonly root: Partition;
  readonly esp: Partition;
  readonly bios: Partition | undefined;
}

export function diskLayout(arch: Arch, ids: ImageIds, contentBytes: number): DiskLayout {
  // Half as much again: for the file system's own structures and for a guest that starts to work before its root has grown.
  const bytes = Math.max(SMALLEST_DISK, Math.ceil((ROOT_FIRST * SECTOR + contentBytes * 1.5) / GiB) * GiB);
  const root = { number: 1, firstSector: ROOT_FIRST, sectors: (bytes - TAIL) / SECTOR - ROOT_FIRST, name: 'root' };
  return {
    bytes,
    root: { ...root, type: ARCHS[arch].rootType, guid: ids.rootPartition },
    esp: { number: 15, ...ESP, type: PARTITION_TYPES.esp, guid: ids.espPartition, name: 'esp' },
    bios:
      arch === 'amd64'
        ? { number: 14, ...BIOS, type: PARTITION_TYPES.biosBoot, guid: ids.biosPartition, name: 'bios' }
        : undefined,
  };
}

/** Writes a raw disk that boots on BIOS (amd64) and UEFI. Nothing is mounted and no privilege needed. */
export async function writeDisk(request: DiskRequest, tree: Tree): Promise<void> {
  const { image, ids, epoch, scratch, signal } = request;
  const layout = diskLayout(request.arch, ids, request.contentBytes);
  const { root, esp, bios } = layout;
  await writeFile(image, '');
  await truncate(image, layout.bytes);
  const partitions = bios === undefined ? [root, esp] : [root, bios, esp];
  await writePartitionTable(image, { guid: ids.disk, partitions }, signal);
  await makeExt4(
    {
      image,
      offset: root.firstSector * SECTOR,
      bytes: root.sectors * SECTOR,
      label: 'root',
      uuid: ids.root,
      hashSeed: ids.rootHashSeed,
      epoch,
    },
    tree,
    scratch,
    signal,
  );
  const config = join(scratch, 'esp-grub.cfg');
  await writeFile(config, espGrubConfig(ids.root));
  const files = new Map(Object.entries(ARCHS[request.arch].efi).map(([path, source]) => [path, treeSource(tree, source)]));
  files.set('EFI/debian/grub.cfg', config);
  await makeEsp({ image, ...spanOf(esp), serial: ids.esp, label: 'ESP', epoch, files }, signal);
  if (bios !== undefined && request.coreImage !== undefined) {
    const bootImage = await readFile(treeSource(tree, '/usr/lib/grub/i386-pc/boot.img'));
    await installBiosBoot(image, { bootImage, coreImage: request.coreImage, ...spanOf(bios) });
  }
}

/** core.img as the image's own GRUB made it, before the tree is finished. */
export async function readCoreImage(tree: Tree, arch: Arch): Promise<Uint8Array | undefined> {
  return arch === 'amd64' ? readFile(treeSource(tree, `${ASSEMBLY}/core.img`)) : undefined;
}

function spanOf(partition: Partition): { firstSector: number; sectors: number } {
  return { firstSector: partition.firstSector, sectors: partition.sectors };
}
