import type { MachineSpec } from '../core/index.ts';
import type { ResolvedImage } from './resolved.ts';

/** The machine an image is built on. */
export function machineOf({ spec, firmware, os }: Pick<ResolvedImage, 'spec' | 'firmware' | 'os'>): MachineSpec {
  return {
    arch: spec.arch,
    firmware,
    cpus: spec.cpus,
    memoryBytes: spec.memory,
    diskBytes: spec.disk,
    x86Level: os.x86Level,
    ...(os.lacksVmwareDatasource === true && isOfCatalog(spec) ? { lacksVmwareDatasource: true } : {}),
  };
}

/** Nobody knows which cloud-init a base has that somebody made. */
function isOfCatalog({ base }: ResolvedImage['spec']): boolean {
  return base === undefined || typeof base === 'string' || 'bootstrap' in base;
}
