import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Credentials } from '../../core/index.ts';
import type { StoredLayer } from './store.ts';

/** How to log in to a machine that is continued from a layer; mode 0600, and of no use for a finished image, which seal cleans of it. */
export const CREDENTIALS_FILE = 'credentials.json';

const credentialsSchema = z.object({ username: z.string(), privateKey: z.string(), hostKey: z.string() });

export async function readCredentials(layer: StoredLayer): Promise<Credentials> {
  return credentialsSchema.parse(JSON.parse(await readFile(join(layer.dir, CREDENTIALS_FILE), 'utf8')));
}
