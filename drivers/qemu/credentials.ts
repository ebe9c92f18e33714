import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SystemCredentials } from '../../src/core/index.ts';

/** Length of the disk that stands where a seed would; the guest finds nothing on it. */
const EMPTY_SEED_BYTES = 65_536;

/**
 * Writes each credential to a file of `folder` as the SMBIOS string that systemd reads it from (systemd(1), system credentials: type 11,
 * `io.systemd.credential.binary:NAME=BASE64`), readable to its owner only. Returns the paths.
 */
export async function writeCredentials(credentials: SystemCredentials, folder: string): Promise<readonly string[]> {
  const paths: string[] = [];
  for (const [name, text] of Object.entries(credentials)) {
    const path = join(folder, `credential-${name}`);
    const string = `io.systemd.credential.binary:${name}=${Buffer.from(text).toString('base64')}`;
    await writeFile(path, string, { mode: 0o600, flag: 'wx' });
    paths.push(path);
  }
  return paths;
}

/** A seed that holds nothing, so that a machine with credentials has the same devices as any other. */
export async function writeEmptySeed(path: string): Promise<void> {
  await writeFile(path, Buffer.alloc(EMPTY_SEED_BYTES), { mode: 0o600, flag: 'wx' });
}
