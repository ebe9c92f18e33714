import type { BuildEvent } from '../../src/core/index.ts';
import type { BuildResult } from '../../src/engine/request.ts';
import { startKib } from './program.ts';

/** An error as `--json` gives it. */
export interface ToldError {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  readonly details: Readonly<Record<string, unknown>>;
}

/** A build of the compiled program, over. */
export interface BuildRun {
  readonly status: number | string;
  readonly stderr: string;
  readonly events: readonly BuildEvent[];
  readonly ms: number;
  readonly result: BuildResult | undefined;
  readonly error: ToldError | undefined;
  /** Of the build; empty when it ended before it was one. */
  readonly id: string;
}

/** Runs `kib-native build` to its end. `onEvent` sees every event as it comes. */
export async function runBuild(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  onEvent?: (event: BuildEvent) => void,
): Promise<BuildRun> {
  const start = performance.now();
  const run = startKib(['build', ...args], env, onEvent);
  const { status, stderr } = await run.ended;
  const last = run.events.at(-1) as unknown as { readonly result?: BuildResult } | undefined;
  const [line = '{}'] = stderr.split('\n').filter((text) => text.startsWith('{"error"'));
  const { error } = JSON.parse(line) as { error?: ToldError };
  const id = run.events[0]?.build ?? '';
  return { status, stderr, error, id, events: run.events, ms: performance.now() - start, result: last?.result };
}

/** What became of the layers, in order: `packages ok`, `setup cached`. */
export function layersOf({ events }: Pick<BuildRun, 'events'>): readonly string[] {
  const names = new Map<number, string>();
  const statuses: string[] = [];
  for (const event of events) {
    if (event.type === 'span.start' && event.kind === 'layer') names.set(event.span, event.name);
    const name = names.get(event.span);
    if (event.type === 'span.end' && name !== undefined) statuses.push(`${name} ${event.status}`);
  }
  return statuses;
}

/** Every line that the guest or a host program wrote. */
export function linesOf({ events }: Pick<BuildRun, 'events'>): readonly string[] {
  return events.flatMap((event) => (event.type === 'log' ? [event.line] : []));
}

/** Why a build did not go as it should, for messages of tests. */
export function told(run: BuildRun): string {
  return `${run.stderr}\n${linesOf(run).slice(-40).join('\n')}`;
}
