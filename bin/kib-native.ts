#!/usr/bin/env node
import { setFlagsFromString } from 'node:v8';
import type { LiveBuilds } from '../src/cli/io.ts';
import { lineFrom } from '../src/cli/line-from.ts';
import { main } from '../src/cli/main.ts';
import { EXIT_STATUS, KibError } from '../src/core/index.ts';

/** 128 + SIGPIPE, as shells report a reader that went away. */
const PIPE_STATUS = 141;

// The HTTP parser of undici is WebAssembly; optimizing it at run time takes up to 30 MB, for a parser that hardly ever runs (bench/README.md).
setFlagsFromString('--liftoff-only');
// For src/io/spent-buffers.ts.
setFlagsFromString('--expose-gc');

const interrupt = new AbortController();
let builds: LiveBuilds | undefined;
/** What broke standard output: a reader that went away, a full disk. */
let outputError: NodeJS.ErrnoException | undefined;

for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () => {
    if (interrupt.signal.aborted) leaveAtOnce(name);
    const text = `${name}: cleaning up; once more to leave at once`;
    if (builds === undefined) process.stderr.write(`\n${text}\n`);
    else builds.say(text);
    interrupt.abort(new KibError('KIB_CANCELLED', `interrupted by ${name}`));
  });
}

process.stdout.on('error', (error) => {
  outputError ??= error;
  interrupt.abort(new KibError('KIB_CANCELLED', `standard output cannot be written: ${error.message}`));
});
// Nobody is left to tell.
process.stderr.on('error', () => {});

function leaveAtOnce(name: string): never {
  const left = builds?.leave() ?? [];
  const lines = left.map(({ build, held }) => `${left.length === 1 ? ' ' : `\n  ${build}: `}${held.join(', ')}`);
  if (left.length > 0) process.stderr.write(`${name}: left behind:${lines.join('')}\nhint: kib-native gc\n`);
  process.exit(130);
}

const status = await main(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  cwd: process.cwd(),
  signal: interrupt.signal,
  isInteractive: process.stdin.isTTY && process.stderr.isTTY,
  isRoot: process.getuid?.() === 0,
  enter: (signal) => lineFrom(process.stdin, signal),
  onBuilds: (now) => {
    builds = now;
  },
});
// Not process.exit alone: what was written to a pipe must get there first, and a failed write is told one turn later.
process.stdout.write('', () => setImmediate(() => process.exit(outputError === undefined ? status : brokenOutput(outputError))));

function brokenOutput(error: NodeJS.ErrnoException): number {
  if (error.code === 'EPIPE') return PIPE_STATUS;
  process.stderr.write(`error: standard output cannot be written: ${error.message}\n`);
  return EXIT_STATUS.environment;
}
