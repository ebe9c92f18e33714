import { join } from 'node:path';
import { z } from 'zod';
import { type Artifact, digestFile, type Exporter, KibError, MiB, sizeSchema } from '../core/index.ts';
import { withDisk } from '../io/nbd-disk.ts';
import { writeChecksum } from './checksums.ts';
import { HashingAppender, withNewFile } from './file-writer.ts';
import { artifactName } from './names.ts';
import { diskOffset, ovaHead, vmdkName } from './ova-head.ts';
import { writeWhole } from './part-file.ts';
import { MAX_MEMBER_BYTES, TAR_END, tarPadding } from './tar.ts';
import { writeStreamOptimizedVmdk } from './vmdk-writer.ts';

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

/** Share of the progress that writing the disk takes; reading it once more for the archive's own digest is the rest. */
const DISK_PERCENT = 95;

/**
 * One file for VMware: tar of OVF descriptor, manifest of digests, streamOptimized VMDK, in the order that lets an importer stream it. The
 * disk is written where it belongs in the archive; what stands before it comes last, as it holds the disk's size and digest.
 */
export const ovaExporter: Exporter<OvaOptions> = {
  format: 'ova',
  summary: 'VMware vSphere, Workstation, Fusion: OVF 1.1 with a streamOptimized VMDK',
  options,
  tools: ['qemu-nbd'],
  async export(disk, subject, outputDir, ovaOptions, context): Promise<Artifact> {
    const path = join(outputDir, artifactName(subject, 'ova'));
    const { span, signal } = context;
    return writeWhole(path, context, async (part) => {
      const { offset, bytes } = await withNewFile(part, (file) =>
        withDisk(disk, context, async ({ bytes: capacityBytes, connection }) => {
          const offset = diskOffset(subject, ovaOptions, capacityBytes);
          const appender = new HashingAppender(file, offset, { bytes: MAX_MEMBER_BYTES, error: tooLarge });
          const vmdk = await writeStreamOptimizedVmdk({
            disk: connection,
            capacityBytes,
            name: vmdkName(subject),
            write: (bytes) => appender.append(bytes),
            onProgress: (percent) => span.progress((percent * DISK_PERCENT) / 100, 100, 'percent'),
            signal,
          });
          const sha256 = await appender.finish();
          const end = Buffer.concat([Buffer.alloc(tarPadding(vmdk.bytes)), TAR_END]);
          await file.write([
            { data: ovaHead(subject, ovaOptions, capacityBytes, { ...vmdk, sha256 }).bytes, position: 0 },
            { data: end, position: offset + vmdk.bytes },
          ]);
          return { offset, bytes: vmdk.bytes };
        }),
      );
      span.note('sha256');
      const sha256 = await digestFile(part, 'sha256', signal);
      // Before the archive's own rename: whoever sees the archive finds its checksum.
      await writeChecksum(path, sha256, context);
      span.progress(100, 100, 'percent');
      const total = offset + bytes + tarPadding(bytes) + TAR_END.length;
      return { format: 'ova', path, bytes: total, sha256, disk: { format: 'vmdk', offset, bytes } };
    });
  },
};

function tooLarge(): KibError {
  return new KibError('KIB_EXPORT', 'an OVA member can hold 8 GiB, but the compressed disk is larger', {
    hint: 'put less on the disk (image layers, caches), or choose another --format; a larger empty disk costs nothing',
    details: { limit: MAX_MEMBER_BYTES },
  });
}
