import { gzipSync } from 'node:zlib';
import { parse, stringify } from 'yaml';
import type { SeedFiles } from '../src/core/index.ts';

/**
 * A seed as guestinfo variables, without the prefix `guestinfo.`: `metadata`, `userdata` and their encodings (cloud-init documentation, datasource
 * VMware). The network configuration goes into the metadata, as that data source wants it. Values are gzipped and base64.
 */
export function guestinfoSeed(seed: SeedFiles): Readonly<Record<string, string>> {
  const metadata = parse(seed['meta-data']) as Record<string, unknown>;
  const network = seed['network-config'] === undefined ? {} : { network: parse(seed['network-config']) as unknown };
  return {
    metadata: encode(stringify({ ...metadata, ...network })),
    'metadata.encoding': 'gzip+base64',
    userdata: encode(seed['user-data']),
    'userdata.encoding': 'gzip+base64',
  };
}

function encode(text: string): string {
  return gzipSync(text, { level: 9 }).toString('base64');
}
