import { writeFile } from 'node:fs/promises';
import { type LaunchRequest, MiB } from '../core/index.ts';

/** tiny-guest.S assembled, without the zeroes before its last four bytes. */
const BOOT_SECTOR = [
  'ea057c0000fa31c08ed88ec08ed0bc007cfbfc8816e47cbe387de8a800b800438a16e47cbee57ccd13be4b7d7303be677de89100e4a10c02',
  'e6a1ba0206b80001efb442e87300a1007ea3057df4803efc7d007403e82000ba0006edf6c40174ecefbe8a7de85e00803efd7d0075deba04',
  '06b80020efebd5b442e83d00a1057dbe207d3b06007e752a40a3057da3007eb443e82500a1057dbf1c7db90a0031d2f7f180c23088154f81',
  'ff197d73f0be077deb13c606fc7d00eb0c30c08a16e47cbef57ccd13c3ac84c07419b40ebb0700cd1088c4bafd03eca82074fbbaf80388e0',
  'eeebe2c30010000100007c0000010000000000000010000100007e00000200000000000000000074696e7920677565737420636f756e7473',
  '20303030300d0a0074696e79206775657374206c6f737420636f756e740d0a0074696e792067756573742069732075700d0a0074696e7920',
  '67756573742077726f746520697473206469736b0d0a0074696e792067756573742063616e6e6f7420777269746520697473206469736b0d',
  '0a0074696e792067756573742066656c742074686520706f77657220627574746f6e0d0a',
].join('');

export const TINY_GUEST_BYTES = MiB;

/** Lines it prints on the serial port, in order. */
export const TINY_GUEST_LINES = ['tiny guest is up', 'tiny guest wrote its disk'] as const;

/** What it prints before each number, when it counts; and instead, when its disk is not what it wrote. */
export const TINY_GUEST_COUNTS = 'tiny guest counts ';
export const TINY_GUEST_LOST = 'tiny guest lost count';

export interface TinyGuestOptions {
  /** It does not power off when asked to. */
  readonly deaf?: boolean;
  /** It counts on, 18 times a second, in memory and in its third sector (two bytes, little-endian). */
  readonly counting?: boolean;
}

/** The guest's disk. */
export function tinyGuest(options: TinyGuestOptions = {}): Buffer {
  const disk = Buffer.alloc(TINY_GUEST_BYTES);
  disk.write(BOOT_SECTOR, 0, 'hex');
  disk[508] = options.counting === true ? 1 : 0;
  disk[509] = options.deaf === true ? 1 : 0;
  disk.writeUInt16LE(0xaa55, 510);
  return disk;
}

/** Whether a raw image is that of a guest which booted from its disk and wrote on it: it copies its boot sector to the second sector. */
export function hasTinyGuestWritten(disk: Buffer): boolean {
  return (
    disk.subarray(0, 512).equals(tinyGuest().subarray(0, 512)) &&
    disk.subarray(512, 1024).includes(TINY_GUEST_LINES[0]) &&
    disk.subarray(1024).every((byte) => byte === 0)
  );
}

/** Writes the guest's disk as a raw image. */
export async function writeTinyGuest(path: string, options: TinyGuestOptions = {}): Promise<string> {
  await writeFile(path, tinyGuest(options));
  return path;
}

/** A request to boot the guest; `path` is written. */
export async function tinyGuestRequest(path: string, options: TinyGuestOptions = {}): Promise<LaunchRequest> {
  return {
    name: 'tiny-guest',
    machine: { arch: 'amd64', firmware: 'bios', cpus: 1, memoryBytes: 64 * MiB, diskBytes: 8 * MiB, x86Level: 1 },
    base: { path: await writeTinyGuest(path, options), format: 'raw' },
    seed: { 'user-data': '#cloud-config\n{}\n', 'meta-data': 'instance-id: tiny\n' },
  };
}
