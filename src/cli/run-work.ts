import { type Context, systemClock } from '../core/index.ts';
import { networkFromEnv } from '../io/network.ts';
import type { Cli } from './cli.ts';
import { cacheHome, stateHome, wantsColour } from './io.ts';

/** Runs work that is no build, but has journal, events and clean-up as one; what it does is shown on standard error. */
export async function runWork<T>(cli: Cli, name: string, work: (context: Context) => Promise<T>): Promise<T> {
  const [{ startWork }, { createUi }] = await Promise.all([import('../engine/start-build.ts'), import('../ui/index.ts')]);
  const { io } = cli;
  const surroundings = {
    image: { name },
    stateHome: stateHome(io.env),
    cacheHome: cacheHome(io.env),
    network: networkFromEnv(io.env),
  };
  const started = startWork(surroundings, (context) => work(context), io.signal);
  const ui = createUi({
    mode: io.stderr.isTTY === true && io.env['TERM'] !== 'dumb' ? 'tty' : 'plain',
    stdout: io.stdout,
    stderr: io.stderr,
    verbose: false,
    columns: () => io.stderr.columns ?? 80,
    rows: () => io.stderr.rows ?? 24,
    colour: wantsColour(io.env, io.stderr),
    clock: systemClock,
  });
  started.subscribe((event) => ui.read(event));
  try {
    return await started.result;
  } finally {
    ui.close();
  }
}
