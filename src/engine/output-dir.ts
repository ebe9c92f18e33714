import { constants } from 'node:fs';
import { access, rename } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { type Context, KibError } from '../core/index.ts';
import { ownPath } from '../io/own-path.ts';
import { exists, folderError, makeFolder } from './folder.ts';

const HINT = 'choose a folder you may write to with --output-dir';

/** A folder that becomes `<outputDir>/<name>` in one step, when everything in it is proven. */
export interface OutputDir {
  /** Where to write until then; a hidden sibling, so that the final rename stays on one file system. */
  readonly staging: string;
  readonly final: string;
  /** Where a file of the staging folder will stand after publishing. */
  finalPath(path: string): string;
  /** Moves it into place, over an earlier one when that was allowed. When that fails the earlier one is back. */
  publish(): Promise<void>;
}

/**
 * Throws KIB_OUTPUT_EXISTS when something is there that may not be replaced and that no build made, KIB_HOST_PERMISSION when the folder cannot be
 * made. An earlier build may turn out to be what is asked for: see findEarlier.
 */
export async function checkOutputDir(outputDir: string, name: string, force: boolean): Promise<void> {
  const final = join(outputDir, name);
  let isTaken: boolean;
  try {
    isTaken = (await exists(final)) && !(await exists(join(final, 'manifest.json')));
    let folder = outputDir;
    while (!(await exists(folder)) && dirname(folder) !== folder) folder = dirname(folder);
    // With the slash a file is refused too.
    await access(`${folder}/`, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw folderError(outputDir, HINT, error);
  }
  if (isTaken && !force) throw outputExists(final);
}

/** Makes the staging folder; it is removed with the context's scope unless published. `publish` throws KIB_OUTPUT_EXISTS unless `force`. */
export async function makeOutputDir(outputDir: string, name: string, force: boolean, context: Context): Promise<OutputDir> {
  const final = join(outputDir, name);
  const staging = join(outputDir, `.${name}.part-${context.buildId}`);
  await makeFolder(outputDir, { recursive: true, hint: HINT });
  const keep = await ownPath('folder', staging, context);
  await makeFolder(staging, { hint: HINT });
  return {
    staging,
    final,
    finalPath: (path) => join(final, relative(staging, path)),
    publish: async () => {
      const old = `${staging}.old`;
      const hadOld = await exists(final);
      // Another build was faster.
      if (hadOld && !force) throw outputExists(final);
      if (hadOld) await rename(final, old);
      try {
        await rename(staging, final);
      } catch (error) {
        if (hadOld) await rename(old, final);
        throw folderError(final, HINT, error);
      }
      await keep();
      // Not known to the journal any earlier: until here it is the only image the user has.
      if (hadOld) await ownPath('folder', old, context);
    },
  };
}

/** `why` tells why that image is not the one asked for. */
export function outputExists(path: string, why?: string): KibError {
  return new KibError('KIB_OUTPUT_EXISTS', `${path} already holds an image${why === undefined ? '' : `: ${why}`}`, {
    hint: 'add --force to replace it, or choose another --output-dir',
  });
}
