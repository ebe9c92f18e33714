import { type PackageSetup, type PrimitiveAction, sh } from '../core/index.ts';

/** Writes files with repositories. */
export function writeSourceFiles({ files = [] }: PackageSetup): readonly PrimitiveAction[] {
  return files.map(({ path, text }) => ({
    kind: 'put',
    title: `write ${path}`,
    content: { kind: 'text', text },
    path,
    mode: '0644',
    owner: 'root:root',
  }));
}

/** Removes those that the image does not keep. */
export function removeSourceFiles({ files = [] }: PackageSetup): readonly PrimitiveAction[] {
  const paths = files.filter(({ keep }) => !keep).map(({ path }) => path);
  if (paths.length === 0) return [];
  return [{ kind: 'exec', title: `remove ${paths.join(', ')}`, script: sh`rm -f ${paths}`, timeoutMs: 60_000 }];
}
