import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));

export interface SourceFile {
  /** Relative to the repository: `src/core/errors.ts`. */
  readonly path: string;
  readonly text: string;
  readonly imports: readonly Import[];
}

export interface Import {
  /** Repository path of a file of ours, or the package's name. */
  readonly target: string;
  readonly isOurs: boolean;
  /** Gone after compilation. */
  readonly isType: boolean;
  /** Loaded when the code comes to it: `import('…')`. */
  readonly isLazy: boolean;
}

/** Every TypeScript file below these folders of the repository. */
export async function readSources(folders: readonly string[]): Promise<readonly SourceFile[]> {
  const files = await Promise.all(
    folders.map(async (folder) => {
      const entries = await readdir(join(root, folder), { recursive: true, withFileTypes: true });
      return entries
        .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
        .map((entry) => relative(root, join(entry.parentPath, entry.name)));
    }),
  );
  return Promise.all(
    files
      .flat()
      .sort()
      .map(async (path) => {
        const text = await readFile(join(root, path), 'utf8');
        return { path, text, imports: importsOf(path, text) };
      }),
  );
}

const IMPORT = /^(?:import|export)\s+(type\s+)?[\w*{}\s,$]+?\s+from\s+'([^']+)'|^import\s+'([^']+)'|\bimport\('([^']+)'\)/gm;

function importsOf(path: string, text: string): readonly Import[] {
  return [...text.matchAll(IMPORT)].map(([, type, fixed, bare, dynamic]) => {
    const name = fixed ?? bare ?? dynamic ?? '';
    const isOurs = name.startsWith('.');
    return {
      target: isOurs ? join(dirname(path), name) : name,
      isOurs,
      isType: type !== undefined,
      isLazy: dynamic !== undefined,
    };
  });
}

/** The code of a file without comments and the contents of strings, line by line. */
export function codeLines(text: string): readonly string[] {
  return text
    .replaceAll(/\/\*[\s\S]*?\*\//g, (comment) => comment.replaceAll(/[^\n]/g, ''))
    .split('\n')
    .map((line) => line.replaceAll(/'(?:[^'\\]|\\.)*'/g, "''").replace(/(^|\s)\/\/.*$/, ''));
}
