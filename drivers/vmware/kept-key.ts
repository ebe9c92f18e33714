import { randomUUID } from 'node:crypto';
import { canonicalJson, sha256 } from '../../src/core/index.ts';
import { fileStamp } from '../../src/io/file-stamp.ts';
import { backingChain, type DiskFile } from '../../src/io/qemu-img.ts';
import { vmdkOptions } from './disk.ts';
import type { VmwareOptions } from './options.ts';

/** What decides a kept machine; all else that a clone is, is written into its own .vmx. */
export interface KeptRequest {
  /** What it is made of: a base, or the disk of a layer. */
  readonly base: DiskFile;
  /** Size of the machine's disk. */
  readonly bytes: number;
  readonly options: Pick<VmwareOptions, 'diskInterface' | 'hardwareVersion'>;
}

/**
 * Names the kept machine of a request: the same for the same, untouched files, wherever their folder is moved to. Reading them is what a kept machine is
 * to save.
 */
export async function keptKey({ base, bytes, options }: KeptRequest, signal: AbortSignal): Promise<string> {
  const chain = await backingChain(base, signal);
  const files = chain.map(async ({ path, format }) => {
    // What is no file of this host may change unseen: then no machine is found again.
    return [format, (await fileStamp(path)) ?? randomUUID()] as const;
  });
  const { diskInterface } = options;
  return sha256(canonicalJson({ v: 1, files: await Promise.all(files), bytes, diskInterface, vmdk: vmdkOptions(options) }));
}
