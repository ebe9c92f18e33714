import { open } from 'node:fs/promises';
import { SECTOR } from './gpt.ts';

// Offsets and values: GRUB's include/grub/i386/pc/boot.h and diskboot.h; util/setup.c (grub-bios-setup) patches the same ones.
/** boot.img: sector number (64 bit) of core.img. */
const KERNEL_SECTOR = 0x5c;
/** boot.img: a jump over code that distrusts the drive number of the BIOS; replaced by two NOPs on hard disks. */
const DRIVE_CHECK = 0x66;
/** boot.img: what follows is the NT signature and the partition table of the MBR. */
const BOOT_CODE_END = 0x1b8;
/** core.img, first sector: where the rest of core.img lies: sector (64 bit), count (16 bit), load segment (16 bit). */
const FIRST_BLOCK = SECTOR - 12;
/** Where the second sector of core.img is loaded: 0x8000 + 512, as a real-mode segment. */
const SECOND_SECTOR_SEGMENT = 0x820;

/** boot.img as it goes into the master boot record: told where core.img starts. 440 bytes, the partition table not among them. */
export function patchBootImage(bootImage: Uint8Array, coreSector: number): Buffer {
  if (bootImage.length !== SECTOR) throw new RangeError(`boot.img has ${bootImage.length} bytes instead of ${SECTOR}`);
  const code = Buffer.from(bootImage.subarray(0, BOOT_CODE_END));
  code.writeBigUInt64LE(BigInt(coreSector), KERNEL_SECTOR);
  code.writeUInt16LE(0x9090, DRIVE_CHECK);
  return code;
}

/** core.img, padded to whole sectors, its first sector told where the others lie: right behind it. */
export function patchCoreImage(coreImage: Uint8Array, coreSector: number): Buffer {
  const sectors = Math.ceil(coreImage.length / SECTOR);
  if (sectors < 2 || sectors - 1 > 0xffff) throw new RangeError(`core.img has ${coreImage.length} bytes`);
  const core = Buffer.alloc(sectors * SECTOR);
  core.set(coreImage);
  core.writeBigUInt64LE(BigInt(coreSector + 1), FIRST_BLOCK);
  core.writeUInt16LE(sectors - 1, FIRST_BLOCK + 8);
  core.writeUInt16LE(SECOND_SECTOR_SEGMENT, FIRST_BLOCK + 10);
  return core;
}

export interface BiosBoot {
  readonly bootImage: Uint8Array;
  readonly coreImage: Uint8Array;
  /** The BIOS boot partition. */
  readonly firstSector: number;
  readonly sectors: number;
}

/** Makes a raw GPT image start GRUB on a BIOS: what grub-bios-setup does, without a block device. */
export async function installBiosBoot(image: string, boot: BiosBoot): Promise<void> {
  const core = patchCoreImage(boot.coreImage, boot.firstSector);
  if (core.length > boot.sectors * SECTOR) throw new RangeError(`core.img does not fit: ${core.length} bytes`);
  const code = patchBootImage(boot.bootImage, boot.firstSector);
  const file = await open(image, 'r+');
  try {
    await file.write(code, 0, code.length, 0);
    await file.write(core, 0, core.length, boot.firstSector * SECTOR);
  } finally {
    await file.close();
  }
}
