import { type Artifact, type CheckResult, type Context, errorMessage, isKibError, KibError } from '../core/index.ts';
import { compare } from '../io/qemu-img.ts';
import { artifactDisk } from './artifact-disk.ts';

/**
 * Proves that every other artifact holds, bit for bit, the disk that `booted` holds, so that one boot speaks for all. Disks inside larger files
 * are compared in place. Throws KIB_INSPECT when one cannot be read.
 */
export async function compareArtifacts(
  booted: Artifact,
  others: readonly Artifact[],
  context: Context,
): Promise<readonly CheckResult[]> {
  const results: CheckResult[] = [];
  for (const other of others) {
    const start = context.clock.now();
    context.span.note(`${booted.format} and ${other.format}`);
    const { identical, detail } = await compareOrThrow(booted, other, context.signal);
    const result = {
      name: `inspect/${other.format}-equals-${booted.format}`,
      title: `${other.format} and ${booted.format} hold the same disk`,
      ok: identical,
      detail,
      ms: context.clock.now() - start,
    };
    context.span.emit({ type: 'check', result });
    results.push(result);
  }
  return results;
}

async function compareOrThrow(a: Artifact, b: Artifact, signal: AbortSignal): Promise<{ identical: boolean; detail: string }> {
  try {
    return await compare(artifactDisk(a), artifactDisk(b), signal);
  } catch (error) {
    if (isKibError(error)) throw error;
    throw new KibError('KIB_INSPECT', `${a.path} and ${b.path} cannot be compared: ${errorMessage(error)}`, {
      hint: 'one of the files may be damaged: check them with sha256sum --check, then build again',
      cause: error,
    });
  }
}
