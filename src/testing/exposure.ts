import { ChildProcess } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from './test-context.ts';

/** Notes the command line of every program that this process starts, until it is disposed. */
export interface NotedPrograms extends Disposable {
  readonly commandLines: readonly string[];
}

type Spawn = (this: ChildProcess, options: { readonly args?: readonly string[] }) => unknown;

export function noteCommandLines(): NotedPrograms {
  const commandLines: string[] = [];
  // What spawn, exec and execFile come to, and with them every library that starts programs.
  const prototype = ChildProcess.prototype as unknown as { spawn: Spawn };
  const { spawn } = prototype;
  prototype.spawn = function (options) {
    commandLines.push((options.args ?? []).join(' '));
    return spawn.call(this, options);
  };
  return {
    commandLines,
    [Symbol.dispose]: () => {
      prototype.spawn = spawn;
    },
  };
}

/**
 * Where one of the secrets can be read by others than the driver: events, journal, command lines, files of the build, and what `more` says, by
 * name. The secrets themselves are not told.
 */
export async function placesOf(
  secrets: readonly string[],
  { commandLines }: NotedPrograms,
  context: Pick<TestContext, 'events' | 'journal' | 'root'>,
  more: Readonly<Record<string, unknown>> = {},
): Promise<readonly string[]> {
  const shows = (text: string) => secrets.some((secret) => text.includes(secret));
  const texts = { events: context.events, journal: context.journal.entries, 'command lines': commandLines, ...more };
  const files = await readdir(context.root, { recursive: true, withFileTypes: true });
  const paths = files.filter((file) => file.isFile()).map((file) => join(file.parentPath, file.name));
  const showing = await Promise.all(paths.map(async (path) => (shows(await readFile(path, 'latin1')) ? [path] : [])));
  return [
    ...Object.entries(texts).flatMap(([name, value]) => (shows(JSON.stringify(value) ?? '') ? [name] : [])),
    ...showing.flat(),
  ];
}
