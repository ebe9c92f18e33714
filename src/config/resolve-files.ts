import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { digestFile, errorMessage, sha256, systemCode } from '../core/index.ts';
import type { HostFile } from '../plan/resolved.ts';
import type { Findings } from './findings.ts';
import { readSource } from './source-file.ts';

/** Reads the scripts and digests the files that `provision` names; a problem for each that is not there. */
export async function resolveFiles(found: Findings): Promise<Readonly<Record<string, HostFile>>> {
  const files: [string, HostFile][] = [];
  for (const [index, step] of (found.values.provision ?? []).entries()) {
    const key = 'script' in step ? 'script' : 'file';
    const name = 'script' in step ? step.script : 'file' in step ? step.file : undefined;
    if (name === undefined) continue;
    const path = resolve(found.merged.dirOf(['provision']), name);
    try {
      files.push([name, key === 'script' ? await readScript(path) : await digest(path)]);
    } catch (error) {
      const reason = systemCode(error) === 'ENOENT' ? 'does not exist' : errorMessage(error);
      found.add(['provision', index, key], `${path} ${reason}`);
    }
  }
  return Object.fromEntries(files);
}

async function readScript(path: string): Promise<HostFile> {
  const read = await readSource(path, path);
  if ('problem' in read) throw new Error(read.problem.message);
  return { path, sha256: sha256(read.text), text: read.text };
}

async function digest(path: string): Promise<HostFile> {
  if (!(await stat(path)).isFile()) throw new Error('is not a file');
  return { path, sha256: await digestFile(path, 'sha256') };
}
