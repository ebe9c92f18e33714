import { open } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { KibError } from '../../src/core/index.ts';
import { dataOf } from './disk.ts';
import type { EsxiShell } from './shell.ts';

const BLOCK = 64 * 1024;
const ZEROES = Buffer.alloc(BLOCK);

/**
 * Downloads a VMFS disk as a sparse raw file of this host. It is packed by gzip, which is part of every ESXi’s busybox and makes next to nothing
 * of zeroes; `vmkfstools -d 2gbsparse` would need room for a second copy there, and a module that may not be loaded.
 */
export async function downloadDisk(
  shell: EsxiShell,
  { vmdk, target, bytes }: { readonly vmdk: string; readonly target: string; readonly bytes: number },
  signal: AbortSignal,
): Promise<void> {
  const file = await open(target, 'wx', 0o600);
  try {
    let at = 0;
    const writeSparse = async (chunks: AsyncIterable<Buffer>): Promise<void> => {
      for await (const chunk of chunks) {
        for (let start = 0; start < chunk.length; start += BLOCK) {
          const block = chunk.subarray(start, start + BLOCK);
          if (!block.equals(ZEROES.subarray(0, block.length))) await file.write(block, 0, block.length, at + start);
        }
        at += chunk.length;
      }
    };
    const unpacked = createGunzip({ chunkSize: 1024 * 1024 });
    const written = pipeline(unpacked, writeSparse, { signal });
    written.catch(() => {});
    try {
      await shell.stream(['gzip', '-c', dataOf(vmdk)], unpacked, signal);
    } catch (error) {
      unpacked.destroy();
      await written.catch(() => {});
      throw error;
    }
    unpacked.end();
    await written;
    if (at !== bytes) {
      throw new KibError('KIB_ESXI_DISK', `${vmdk} on ${shell.place} has ${bytes} bytes, but ${at} arrived`, { retryable: true });
    }
    await file.truncate(bytes);
  } finally {
    await file.close();
  }
}
