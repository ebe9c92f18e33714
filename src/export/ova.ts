import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import {
  type Artifact,
  type ArtifactSubject,
  digestFile,
  type Exporter,
  formatBytes,
  KibError,
  MiB,
  type OsDefinition,
  sha256,
  sizeSchema,
} from '../core/index.ts';
import { withTemporaryFile } from '../io/temporary-file.ts';
import { writeChecksum } from './checksums.ts';
import { artifactName } from './names.ts';
import { ovfDescriptor } from './ovf.ts';
import { writeWhole } from './part-file.ts';
import { MAX_MEMBER_BYTES, type TarMember, tarOffsets, tarStream } from './tar.ts';
import { type VmdkFile, writeStreamOptimizedVmdk } from './vmdk.ts';

const options = z.strictObject({
  hardwareVersion: z
    .number()
    .int()
    .min(10)
    .max(30)
    .optional()
    .describe('VMware virtual hardware version; default: 20 for Enterprise Linux 10 and newer (ESXi 8), else 15 (ESXi 6.7 U2)'),
  cpus: z.number().int().min(1).max(128).default(2).describe('Virtual CPUs the imported machine gets'),
  memory: sizeSchema.default(2048 * MiB).describe('Memory the imported machine gets'),
  eula: z.string().min(1).optional().describe('Text of a licence to accept on import; default: none'),
});

export type OvaOptions = z.infer<typeof options>;

/** Share of the progress that converting takes; hashing and packing are the rest. */
const CONVERT_PERCENT = 90;

/** One file for VMware: tar of OVF descriptor, manifest of digests, streamOptimized VMDK, in the order that lets an importer stream it. */
export const ovaExporter: Exporter<OvaOptions> = {
  format: 'ova',
  summary: 'VMware vSphere, Workstation, Fusion: OVF 1.1 with a streamOptimized VMDK',
  options,
  tools: ['qemu-img'],
  async export(disk, subject, outputDir, ovaOptions, context): Promise<Artifact> {
    const path = join(outputDir, artifactName(subject, 'ova'));
    const scratch = join(context.dirs.work, `export-${randomUUID()}.vmdk`);
    return writeWhole(path, context, (part) =>
      withTemporaryFile(scratch, context, async () => {
        const vmdk = await writeStreamOptimizedVmdk({
          source: disk,
          target: scratch,
          onProgress: (percent) => context.span.progress((percent * CONVERT_PERCENT) / 100, 100, 'percent'),
          signal: context.signal,
        });
        context.span.note('sha256');
        const digest = await digestFile(scratch, 'sha256', context.signal);
        const members = ovaMembers(subject, ovaOptions, disk.virtualBytes, { ...vmdk, path: scratch, sha256: digest });
        context.span.note('packing');
        const archive = await writeTar(members, part, context.signal);
        // Before the archive's own rename: whoever sees the archive finds its checksum.
        await writeChecksum(path, archive.sha256, context);
        context.span.progress(100, 100, 'percent');
        return {
          format: 'ova',
          path,
          ...archive,
          disk: { format: 'vmdk', offset: tarOffsets(members)[2] ?? 0, bytes: vmdk.bytes },
        };
      }),
    );
  },
};

/** Descriptor, manifest and disk. Throws KIB_EXPORT when the disk does not fit into a ustar member. */
export function ovaMembers(
  subject: ArtifactSubject,
  { hardwareVersion, cpus, memory, eula }: OvaOptions,
  capacityBytes: number,
  vmdk: VmdkFile & { readonly path: string; readonly sha256: string },
): readonly TarMember[] {
  if (vmdk.bytes > MAX_MEMBER_BYTES) {
    throw new KibError('KIB_EXPORT', `an OVA member can hold 8 GiB, but the compressed disk is ${formatBytes(vmdk.bytes)}`, {
      hint: 'put less on the disk (image layers, caches), or choose another --format; a larger empty disk costs nothing',
      details: { bytes: vmdk.bytes, limit: MAX_MEMBER_BYTES },
    });
  }
  const vmdkName = `${subject.name}-disk1.vmdk`;
  const ovf = ovfDescriptor({
    name: subject.name,
    os: subject.os,
    firmware: subject.machine.firmware,
    cpus,
    memoryMiB: Math.ceil(memory / MiB),
    hardwareVersion: hardwareVersion ?? defaultHardwareVersion(subject.os),
    disk: { fileName: vmdkName, fileBytes: vmdk.bytes, capacityBytes, populatedBytes: vmdk.populatedBytes },
    properties: subject.properties,
    eula,
  });
  const ovfName = `${subject.name}.ovf`;
  const manifest = `SHA256(${ovfName})= ${sha256(ovf)}\nSHA256(${vmdkName})= ${vmdk.sha256}\n`;
  return [text(ovfName, ovf), text(`${subject.name}.mf`, manifest), { kind: 'file', name: vmdkName, ...vmdk }];
}

function defaultHardwareVersion(os: OsDefinition): number {
  return os.family === 'rhel' && Number.parseInt(os.version, 10) >= 10 ? 20 : 15;
}

function text(name: string, content: string): TarMember {
  return { kind: 'text', name, text: content, bytes: Buffer.byteLength(content) };
}

/** Writes the archive; size and digest are taken on the way. */
async function writeTar(
  members: readonly TarMember[],
  path: string,
  signal: AbortSignal,
): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256');
  let bytes = 0;
  const measure = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      bytes += chunk.length;
      done(null, chunk);
    },
  });
  await pipeline(tarStream(members, signal), measure, createWriteStream(path), { signal });
  return { bytes, sha256: hash.digest('hex') };
}
