#!/usr/bin/env node
import { main } from '../src/cli/main.ts';
import { KibError } from '../src/core/index.ts';

/** 128 + SIGPIPE, as shells report a reader that went away. */
const PIPE_STATUS = 141;

const interrupt = new AbortController();
let held: (() => readonly string[]) | undefined;
let isPipeClosed = false;

for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () => {
    if (interrupt.signal.aborted) leaveAtOnce(name);
    process.stderr.write(`\n${name}: cleaning up; once more to leave at once\n`);
    interrupt.abort(new KibError('KIB_CANCELLED', `interrupted by ${name}`));
  });
}

for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    isPipeClosed ||= stream === process.stdout;
    if (stream === process.stdout) interrupt.abort(new KibError('KIB_CANCELLED', 'the reader of standard output went away'));
  });
}

function leaveAtOnce(name: string): never {
  const left = held?.() ?? [];
  if (left.length > 0) process.stderr.write(`${name}: left behind: ${left.join(', ')}\nhint: kib-native gc\n`);
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
  onBuild: (now) => {
    held = now;
  },
});
// Not process.exit alone: what was written to a pipe must get there first.
process.stdout.write('', () => process.exit(isPipeClosed ? PIPE_STATUS : status));
