import { join } from 'node:path';
import { z } from 'zod';
import type { Exporter } from '../core/index.ts';
import { withDisk } from '../io/nbd-disk.ts';
import { writeChecksum } from './checksums.ts';
import { withNewFile } from './file-writer.ts';
import { artifactName } from './names.ts';
import { writeWhole } from './part-file.ts';
import { writeRaw } from './raw-writer.ts';

const options = z.strictObject({});

/** The disk byte for byte. The file is sparse: zeroes take no room where the file system has holes. */
export const rawExporter: Exporter<z.infer<typeof options>> = {
  format: 'raw',
  summary: 'bare metal and dd: the disk byte for byte, sparse',
  options,
  tools: ['qemu-nbd'],
  async export(disk, subject, outputDir, _options, context) {
    const path = join(outputDir, artifactName(subject, 'raw'));
    const { span, signal } = context;
    return writeWhole(path, context, async (part) => {
      const { sha256, bytes } = await withNewFile(part, (file) =>
        withDisk(disk, context, async ({ bytes, connection }) => {
          const onProgress = (percent: number): void => span.progress(percent, 100, 'percent');
          return { bytes, sha256: await writeRaw({ disk: connection, capacityBytes: bytes, file, onProgress, signal }) };
        }),
      );
      // Before the image's own rename: whoever sees the image finds its checksum.
      await writeChecksum(path, sha256, context);
      return { format: 'raw', path, bytes, sha256, disk: { format: 'raw', offset: 0, bytes } };
    });
  },
};
