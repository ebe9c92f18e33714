import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { type Finding, KibError } from '../core/index.ts';
import { searchPath } from './process.ts';
import { TOOLS, type Tool } from './tools.ts';

/** Absolute path of a program on the search path, or undefined. */
export async function findProgram(name: string): Promise<string | undefined> {
  for (const dir of searchPath().split(delimiter)) {
    const path = join(dir, name);
    try {
      await access(path, constants.X_OK);
      return path;
    } catch {
      // Not in this folder; the next one may have it.
    }
  }
  return undefined;
}

/** One finding per program, found or not, with the packages that bring it. */
export async function findTools(names: readonly string[]): Promise<readonly Finding[]> {
  return Promise.all(
    [...new Set(names)].map(async (name): Promise<Finding> => {
      const path = await findProgram(name);
      if (path !== undefined) return { name, status: 'ok', detail: path };
      const packages = name in TOOLS ? TOOLS[name as Tool] : undefined;
      return {
        name,
        status: 'missing',
        detail: 'not installed',
        fix: 'kib-native doctor --install',
        ...(packages === undefined ? {} : { packages }),
      };
    }),
  );
}

/** Throws KIB_TOOL_MISSING, naming every program of the list that is not installed. */
export async function requirePrograms(names: readonly string[]): Promise<void> {
  const missing = (await findTools(names)).filter((finding) => finding.status === 'missing');
  if (missing.length === 0) return;
  const packages = [...new Set(missing.flatMap((finding) => finding.packages?.apt ?? []))].join(' ');
  throw new KibError('KIB_TOOL_MISSING', `not installed: ${missing.map((finding) => finding.name).join(', ')}`, {
    hint: `kib-native doctor --install${packages === '' ? '' : ` (Debian packages: ${packages})`}`,
  });
}
