import { type Artifact, type ArtifactSubject, type Context, type FileDisk, KibError, type SealedDisk } from '../core/index.ts';
import type { ChosenExporter } from '../plan/resolved.ts';
import { mapParallel } from './parallel.ts';

/**
 * Exports one sealed disk to every format asked for, all at once; the first failure stops the others and is thrown. None needs more than a few
 * dozen MiB of memory, and each is bound by the processor somewhere on one thread, so that side by side they leave no core idle.
 */
export async function exportAll(
  exporters: readonly ChosenExporter[],
  disk: SealedDisk,
  { name, os, machine, properties }: ArtifactSubject,
  outputDir: string,
  context: Context,
): Promise<readonly Artifact[]> {
  if (exporters.length === 0) return [];
  const file = await localDisk(disk, context);
  const subject: ArtifactSubject = { name, os, machine, properties };
  const options = { limit: Math.max(exporters.length, 1), signal: context.signal };
  return mapParallel(exporters, options, ({ exporter, options }, signal) =>
    context.span.run('export', exporter.format, async (span) => {
      const artifact = await exporter.export(file, subject, outputDir, options, { ...context, span, signal });
      span.emit({ type: 'artifact', artifact });
      return artifact;
    }),
  );
}

async function localDisk(disk: SealedDisk, context: Context): Promise<FileDisk> {
  if (disk.kind === 'file') return disk;
  const { id, download } = disk;
  if (download !== undefined) return context.span.run('export', 'download the disk', (span) => download({ ...context, span }));
  throw new KibError('KIB_DRIVER_CANNOT', `the disk of ${id} is not on this host, so no file can be made of it`);
}
