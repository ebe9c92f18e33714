import { type ArtifactSubject, MiB, type OsDefinition, sha256 } from '../core/index.ts';
import type { OvaOptions } from './ova.ts';
import { ovfDescriptor } from './ovf.ts';
import { MAX_MEMBER_BYTES, tarEntry, tarHeader, tarPadding } from './tar.ts';
import type { VmdkFile } from './vmdk-writer.ts';

/** What stands before the disk in an OVA: descriptor, manifest of digests, and the disk's own tar header. */
export interface OvaHead {
  readonly ovf: string;
  readonly manifest: string;
  readonly bytes: Buffer;
}

/** `debian13-kube-v1.36.1-disk1.vmdk`. */
export function vmdkName(subject: Pick<ArtifactSubject, 'name'>): string {
  return `${subject.name}-disk1.vmdk`;
}

/** Where the disk begins in the archive; known before the disk is. */
export function diskOffset(subject: ArtifactSubject, options: OvaOptions, capacityBytes: number): number {
  return ovaHead(subject, options, capacityBytes, widest(capacityBytes)).bytes.length;
}

/** The head for a disk that is written; it is always as long as `diskOffset` says. */
export function ovaHead(
  subject: ArtifactSubject,
  options: OvaOptions,
  capacityBytes: number,
  vmdk: VmdkFile & { readonly sha256: string },
): OvaHead {
  const reserved = Buffer.byteLength(descriptor(subject, options, capacityBytes, widest(capacityBytes)));
  const ovf = filledUp(descriptor(subject, options, capacityBytes, vmdk), reserved);
  const ovfName = `${subject.name}.ovf`;
  const diskName = vmdkName(subject);
  const manifest = `SHA256(${ovfName})= ${sha256(ovf)}\nSHA256(${diskName})= ${vmdk.sha256}\n`;
  const bytes = Buffer.concat([
    tarEntry(ovfName, ovf),
    tarEntry(`${subject.name}.mf`, manifest),
    tarHeader({ name: diskName, bytes: vmdk.bytes }),
  ]);
  return { ovf, manifest, bytes };
}

// The numbers that are known last, with as many digits as they can have.
function widest(capacityBytes: number): VmdkFile & { readonly sha256: string } {
  return { bytes: MAX_MEMBER_BYTES, populatedBytes: capacityBytes, sha256: ''.padEnd(64, '0') };
}

// White space may follow the root element (XML 1.0 §2.1). It is only needed where a shorter number saves a whole tar block.
function filledUp(text: string, reserved: number): string {
  const blocks = (bytes: number): number => bytes + tarPadding(bytes);
  const bytes = Buffer.byteLength(text);
  return blocks(bytes) === blocks(reserved) ? text : text + '\n'.repeat(reserved - bytes);
}

function descriptor(
  subject: ArtifactSubject,
  { hardwareVersion, cpus, memory, eula }: OvaOptions,
  capacityBytes: number,
  vmdk: VmdkFile,
): string {
  return ovfDescriptor({
    name: subject.name,
    os: subject.os,
    firmware: subject.machine.firmware,
    cpus,
    memoryMiB: Math.ceil(memory / MiB),
    hardwareVersion: hardwareVersion ?? defaultHardwareVersion(subject.os),
    disk: { fileName: vmdkName(subject), fileBytes: vmdk.bytes, capacityBytes, populatedBytes: vmdk.populatedBytes },
    properties: subject.properties,
    eula,
  });
}

function defaultHardwareVersion(os: OsDefinition): number {
  return os.family === 'rhel' && Number.parseInt(os.version, 10) >= 10 ? 20 : 15;
}
