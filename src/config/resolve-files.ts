import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import {
  digestFile,
  errorMessage,
  type HostFile,
  type ImageSpec,
  sha256,
  systemCode,
  unreadHostFiles,
  withHostFiles,
  withText,
} from '../core/index.ts';
import { KUBERNETES } from '../plan/recipe-context.ts';
import type { Findings } from './findings.ts';
import { didYouMean } from './nearest.ts';
import { readSource } from './source-file.ts';

/** Reads the scripts and digests the files that `provision` names; a problem for each that is not there. */
export async function resolveFiles(found: Findings): Promise<Readonly<Record<string, HostFile>>> {
  const files: [string, HostFile][] = [];
  for (const [index, step] of (found.values.provision ?? []).entries()) {
    const key = 'script' in step ? 'script' : 'file';
    const name = 'script' in step ? step.script : 'file' in step ? step.file : undefined;
    if (name === undefined) continue;
    const file = await readHostFile(found, ['provision', index, key], name, key === 'script');
    if (file === undefined) continue;
    // A script may be sent as a file too; then its text is still needed.
    if (key === 'script') files.push([name, file]);
    else files.unshift([name, file]);
  }
  return Object.fromEntries(files);
}

/** The values with every host file that the parameters of recipes name; undefined when one cannot be read, with a problem for each. */
export async function resolveHostFiles(found: Findings): Promise<Partial<ImageSpec> | undefined> {
  const { recipes, kubernetes } = found.values;
  const read = new Map<unknown, HostFile>();
  const unread = unreadHostFiles({ ...(recipes && { recipes }), ...(kubernetes && { [KUBERNETES]: kubernetes }) });
  for (const { path, file } of unread) {
    const answer = await readHostFile(found, path, file.name, file.wantsText);
    if (answer !== undefined) read.set(file, answer);
  }
  if (unread.some(({ file }) => !read.has(file))) return undefined;
  return withHostFiles(found.values, (file) => read.get(file)) as Partial<ImageSpec>;
}

async function readHostFile(
  found: Findings,
  path: readonly PropertyKey[],
  name: string,
  wantsText: boolean,
): Promise<HostFile | undefined> {
  const absolute = resolve(found.merged.dirOf(path.map(String)), name);
  try {
    return wantsText ? await readText(absolute) : await digest(absolute);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') found.add(path, `${absolute} ${errorMessage(error)}`);
    else {
      const neighbours = await readdir(dirname(absolute)).catch((): string[] => []);
      found.add(path, `${absolute} does not exist`, didYouMean(basename(absolute), neighbours));
    }
    return undefined;
  }
}

async function readText(path: string): Promise<HostFile> {
  // readSource would say what is wrong, but not that it is ENOENT.
  await stat(path);
  const read = await readSource(path, path);
  if ('problem' in read) throw new Error(read.problem.message);
  return withText({ path, sha256: sha256(read.text) }, read.text);
}

async function digest(path: string): Promise<HostFile> {
  if (!(await stat(path)).isFile()) throw new Error('is not a file');
  return { path, sha256: await digestFile(path, 'sha256') };
}
