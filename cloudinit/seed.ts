import type { SeedFiles } from '../src/core/index.ts';
import { type MetaDataOptions, metaData } from './meta-data.ts';
import { type NetworkCard, networkConfig } from './network-config.ts';
import { type UserDataOptions, userData } from './user-data.ts';

export interface SeedOptions extends UserDataOptions, MetaDataOptions {
  readonly network?: readonly NetworkCard[];
}

/** The files of a NoCloud seed. They hold a private host key: keep them at mode 0600 and out of the image. */
export function buildSeed(options: SeedOptions): SeedFiles {
  return {
    'user-data': userData(options),
    'meta-data': metaData(options),
    ...(options.network === undefined ? {} : { 'network-config': networkConfig(options.network) }),
  };
}
