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
  };
}
