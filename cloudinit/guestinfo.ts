import { gzipSync } from 'node:zlib';
import { parse, stringify } from 'yaml';
import type { ConfigIssue, MachineSpec, SeedFiles } from '../src/core/index.ts';

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

/** What is wrong with a driver's `seed` that only cloud-init's datasource for VMware reads. */
export function guestinfoIssues(machine: MachineSpec, seed: string, otherwise: string): readonly ConfigIssue[] {
  if (machine.lacksVmwareDatasource !== true || !['guestinfo', 'customization'].includes(seed)) return [];
  const message = `${seed} does not reach the base, whose cloud-init has no datasource for VMware`;
  return [{ path: 'seed', message, hint: `driver.seed: ${otherwise}` }];
}

function encode(text: string): string {
  return gzipSync(text, { level: 9 }).toString('base64');
}
