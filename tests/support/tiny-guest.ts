import { writeFile } from 'node:fs/promises';
import { type LaunchRequest, MiB } from '../../src/core/index.ts';

/** tiny-guest.S assembled, without the zeroes before its last three bytes. */
const BOOT_SECTOR = [
  'ea057c0000fa31c08ed88ec08ed0bc007cfbfc8816817cbe927ce84500b800438a16817cbe827ccd13bea57c7303bec17ce82e00e4a10c02',
  'e6a1ba0206b80001eff4ba0006edf6c40174f6efbee47ce81000803efd7d0075e8ba0406b80020efebdfac84c07419b40ebb0700cd1088c4',
  'bafd03eca82074fbbaf80388e0eeebe2c30010000100007c0000010000000000000074696e792067756573742069732075700d0a0074696e',
  '792067756573742077726f746520697473206469736b0d0a0074696e792067756573742063616e6e6f742077726974652069747320646973',
  '6b0d0a0074696e792067756573742066656c742074686520706f77657220627574746f6e0d0a',
].join('');

export const TINY_GUEST_BYTES = MiB;

/** Lines it prints on the serial port, in order. */
export const TINY_GUEST_LINES = ['tiny guest is up', 'tiny guest wrote its disk'] as const;

/** The guest's disk. A deaf one does not power off when asked to. */
export function tinyGuest(options: { readonly deaf?: boolean } = {}): Buffer {
  const disk = Buffer.alloc(TINY_GUEST_BYTES);
  disk.write(BOOT_SECTOR, 0, 'hex');
  disk[509] = options.deaf === true ? 1 : 0;
  disk.writeUInt16LE(0xaa55, 510);
  return disk;
}

/** Writes the guest's disk as a raw image. */
export async function writeTinyGuest(path: string, options: { readonly deaf?: boolean } = {}): Promise<string> {
  await writeFile(path, tinyGuest(options));
  return path;
}

/** A request to boot the guest; `path` is written. */
export async function tinyGuestRequest(path: string, options: { readonly deaf?: boolean } = {}): Promise<LaunchRequest> {
  return {
    name: 'tiny-guest',
    machine: { arch: 'amd64', firmware: 'bios', cpus: 1, memoryBytes: 64 * MiB, diskBytes: 8 * MiB, x86Level: 1 },
    base: { path: await writeTinyGuest(path, options), format: 'raw' },
    seed: { 'user-data': '#cloud-config\n{}\n', 'meta-data': 'instance-id: tiny\n' },
  };
}
