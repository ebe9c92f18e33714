import pLimit from 'p-limit';
import type { Artifact, ArtifactSubject, BuildPlan, Context, SealedDisk } from '../core/index.ts';
import type { ChosenExporter } from '../plan/resolved.ts';

/** qemu-img deflates a VMDK on one thread, so two exports at a time use two cores without starving each other. */
const PARALLEL_EXPORTS = 2;

/** Exports one sealed disk to every format asked for; the first failure stops the others and is thrown. */
export async function exportAll(
  exporters: readonly ChosenExporter[],
  disk: SealedDisk,
  plan: BuildPlan,
  outputDir: string,
  context: Context,
): Promise<readonly Artifact[]> {
  const subject: ArtifactSubject = { name: plan.name, os: plan.os, machine: plan.machine, properties: plan.properties };
  const limit = pLimit(PARALLEL_EXPORTS);
  const stop = new AbortController();
  const signal = AbortSignal.any([context.signal, stop.signal]);
  const results = await Promise.allSettled(
    exporters.map(({ exporter, options }) =>
      limit(() =>
        context.span.run('export', exporter.format, async (span) => {
          try {
            const artifact = await exporter.export(disk, subject, outputDir, options, { ...context, span, signal });
            span.emit({ type: 'artifact', artifact });
            return artifact;
          } catch (error) {
            stop.abort(error);
            throw error;
          }
        }),
      ),
    ),
  );
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  return results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
}
