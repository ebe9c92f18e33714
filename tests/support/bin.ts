import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { onTestFinished } from 'vitest';
import { root } from './sources.ts';
import { workspace } from './workspace.ts';

export interface StartedBin {
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  /** Its home and the folder it runs in. */
  readonly home: string;
  readonly exited: Promise<[number | null, NodeJS.Signals | null]>;
}

/** The real program from its sources, in a process of its own, with a home of its own that holds these files. Killed when the test ends. */
export async function startBin(
  argv: readonly string[],
  files: Readonly<Record<string, string | Uint8Array>> = {},
): Promise<StartedBin> {
  const home = await workspace(files);
  const child = spawn(
    process.execPath,
    ['--import', pathToFileURL(join(root, 'node_modules/tsx/dist/loader.mjs')).href, join(root, 'bin/kib-native.ts'), ...argv],
    {
      cwd: home,
      env: { PATH: process.env['PATH'], HOME: home },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  return { child, home, exited };
}
