import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorMessage, KibError, type SeedFiles, systemCode } from '../src/core/index.ts';

/** Reads a seed from a folder: `user-data`, `meta-data`, and `network-config` where there is one. Throws KIB_HOST_PERMISSION. */
export async function readSeedFolder(folder: string): Promise<SeedFiles> {
  const [userData, metaData, network] = await Promise.all([
    readText(join(folder, 'user-data')),
    readText(join(folder, 'meta-data')),
    readText(join(folder, 'network-config')).catch((error: unknown) => {
      if (error instanceof KibError && systemCode(error.cause) === 'ENOENT') return undefined;
      throw error;
    }),
  ]);
  return { 'user-data': userData, 'meta-data': metaData, ...(network === undefined ? {} : { 'network-config': network }) };
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new KibError('KIB_HOST_PERMISSION', `cannot read ${path}: ${errorMessage(error)}`, {
      hint: 'kib-native seed --output <folder> writes a folder with user-data and meta-data',
      cause: error,
    });
  }
}
