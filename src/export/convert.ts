import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Artifact, type ArtifactSubject, type Context, digestFile, type SealedDisk } from '../core/index.ts';
import { convert } from '../io/qemu-img.ts';
import { writeChecksum } from './checksums.ts';
import { artifactName } from './names.ts';
import { writeWhole } from './part-file.ts';

/** What qemu-img is to make of the disk. */
export interface Conversion {
  readonly format: 'qcow2' | 'raw';
  readonly options: Readonly<Record<string, string>>;
  readonly compress: boolean;
}

/** Exports to a format that is nothing but the disk image: qemu-img writes it, digest and checksum file follow. */
export async function exportConverted(
  disk: SealedDisk,
  subject: ArtifactSubject,
  outputDir: string,
  conversion: Conversion,
  context: Context,
): Promise<Artifact> {
  const { format, options, compress } = conversion;
  const path = join(outputDir, artifactName(subject, format));
  return writeWhole(path, context, async (part) => {
    await convert({
      source: disk,
      target: part,
      targetFormat: format,
      options,
      compress,
      onProgress: (percent) => context.span.progress(percent, 100, 'percent'),
      signal: context.signal,
    });
    context.span.note('sha256');
    const sha256 = await digestFile(part, 'sha256', context.signal);
    const { size } = await stat(part);
    // Before the image's own rename: whoever sees the image finds its checksum.
    await writeChecksum(path, sha256, context);
    return { format, path, bytes: size, sha256, disk: { format, offset: 0, bytes: size } };
  });
}
