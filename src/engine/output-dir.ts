import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { type Context, KibError, systemCode } from '../core/index.ts';

/** A folder that becomes `<outputDir>/<name>` in one step, when everything in it is proven. */
export interface OutputDir {
  /** Where to write until then; a hidden sibling, so that the final rename stays on one file system. */
  readonly staging: string;
  readonly final: string;
  /** Where a file of the staging folder will stand after publishing. */
  finalPath(path: string): string;
  /** Moves it into place, over an earlier one when that was allowed. */
  publish(): Promise<void>;
}

/** Throws KIB_OUTPUT_EXISTS when the folder is there and may not be replaced. */
export async function checkOutputDir(outputDir: string, name: string, force: boolean): Promise<void> {
  const final = join(outputDir, name);
  if (force || !(await exists(final))) return;
  throw new KibError('KIB_OUTPUT_EXISTS', `${final} already holds an image`, {
    hint: 'add --force to replace it, or choose another --output-dir',
  });
}

/** Makes the staging folder; it is removed with the context's scope unless published. */
export async function makeOutputDir(outputDir: string, name: string, context: Context): Promise<OutputDir> {
  const final = join(outputDir, name);
  const staging = join(outputDir, `.${name}.part-${context.buildId}`);
  const removed = await context.journal.acquire({ kind: 'path', id: staging });
  const takeBack = context.scope.defer(`folder ${staging}`, async () => {
    await rm(staging, { recursive: true, force: true });
    await removed();
  });
  await mkdir(dirname(final), { recursive: true });
  await mkdir(staging);
  return {
    staging,
    final,
    finalPath: (path) => join(final, relative(staging, path)),
    publish: async () => {
      const old = `${staging}.old`;
      const hadOld = await exists(final);
      if (hadOld) await rename(final, old);
      await rename(staging, final);
      takeBack();
      await removed();
      if (hadOld) await rm(old, { recursive: true, force: true });
    },
  };
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw error;
  }
}
