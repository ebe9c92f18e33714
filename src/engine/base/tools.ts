import type { BaseSource } from '../../core/index.ts';
import { BOOTSTRAP_TOOLS } from './bootstrap.ts';

/** Host programs that fetchBase runs for a source, for doctor and the check before a build. */
export function baseTools(source: BaseSource): readonly string[] {
  if (source.kind === 'bootstrap') return BOOTSTRAP_TOOLS;
  const isSigned = source.kind === 'cloud-image' && source.checksum.kind === 'file' && source.checksum.signature !== undefined;
  return isSigned ? ['qemu-img', 'gpgv'] : ['qemu-img'];
}
