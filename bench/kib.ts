import { execFileSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { measure } from './measure.ts';
import type { Phase, Sample } from './results.ts';
import { BENCH, type Bench, folder } from './workspace.ts';

export interface KibBuild {
  /** Names the run's log. */
  readonly label: string;
  /** Name in the results; default: kib-native. */
  readonly subject?: string;
  /** Names of files in images/, or paths. */
  readonly images: readonly string[];
  /** Cache and state are its own: a new name starts cold. */
  readonly home: string;
  readonly arguments?: readonly string[];
  /** Further settings, `recipes.node.packages=vim`. */
  readonly vars?: readonly string[];
  /** Whether the finished file is booted and judged, which the peer does not do; default: no. */
  readonly verify?: boolean;
  /** Whether images of earlier builds of this home stay where they are; default: they go before the clock starts. */
  readonly keepOutput?: boolean;
  readonly okCodes?: readonly number[];
}

export interface KibRun {
  readonly sample: Sample;
  /** Paths of the images, in order of the command line. */
  readonly images: readonly string[];
  readonly isUnchanged: boolean;
  /** Seconds from the start of the process to the first action of each name. */
  readonly actions: ReadonlyMap<string, number>;
}

export const KIB = 'kib-native';
/** Home of the scenarios that start from the layers of the short list. */
export const WARM = 'warm';

const TIMEOUT_MS = 1_200_000;

interface Event {
  readonly type: string;
  readonly kind?: string;
  readonly name?: string;
  readonly result?: Result;
}

interface Result {
  readonly artifacts: readonly { readonly path: string }[];
  readonly phases: readonly RawPhase[];
  readonly isUnchanged: boolean;
}

interface RawPhase {
  readonly name: string;
  readonly ms: number;
}

/** `kib-native build`, timed from the start of its process to its end. */
export async function buildWithKib(bench: Bench, build: KibBuild): Promise<KibRun> {
  const output = build.keepOutput === true ? join(bench.work, `output-${build.home}`) : folder(bench, `output-${build.home}`);
  const actions = new Map<string, number>();
  const images: string[] = [];
  let isUnchanged = false;
  let phases: readonly Phase[] = [];
  const read = (line: string, seconds: number): void => {
    const event = parse(line);
    if (event?.type === 'span.start' && event.kind === 'action' && !actions.has(event.name ?? ''))
      actions.set(event.name ?? '', seconds);
    if (event?.type !== 'result' || event.result === undefined) return;
    images.push(...event.result.artifacts.map(({ path }) => path));
    ({ isUnchanged } = event.result);
    phases = event.result.phases.map(({ name, ms }) => ({ name, seconds: ms / 1000 }));
  };
  const argv = [
    [...bench.program, 'build', ...imageArguments(bench, build.images, build.vars)],
    ['--json', '--output-dir', output, ...(build.verify === true ? [] : ['--no-verify'])],
    build.arguments ?? [],
  ].flat();
  const measured = await measure(argv, {
    cwd: bench.work,
    env: kibEnvironment(bench, build.home),
    signal: bench.signal,
    timeoutMs: TIMEOUT_MS,
    log: join(bench.work, `${build.label}.log`),
    okCodes: build.okCodes ?? [0],
    onLine: read,
  });
  const { seconds, cpuSeconds, controller } = measured;
  const sample = {
    subject: build.subject ?? KIB,
    seconds,
    cpuSeconds,
    phases,
    ...(controller === undefined ? {} : { controller }),
  };
  return { sample, images, isUnchanged, actions };
}

/** Builds the short list once in a run, so that its layers are there for every scenario that starts from them. */
export async function fillCache(bench: Bench): Promise<readonly Sample[]> {
  if (existsSync(join(bench.work, 'homes', WARM))) return [];
  const subject = 'first build, which fills the cache';
  const { sample } = await buildWithKib(bench, { label: 'fill-cache', subject, images: ['short'], home: WARM });
  bench.say(`  ${subject}: ${sample.seconds.toFixed(1)} s`);
  return [sample];
}

/** What `build` and `plan` are told of an image. */
export function imageArguments(bench: Bench, images: readonly string[], vars: readonly string[] = []): readonly string[] {
  return [
    ...images.map((name) => (isAbsolute(name) ? name : join(BENCH, 'images', `${name}.yaml`))),
    ...[`base.file=${bench.base}`, `driver.accelerator=${bench.accelerator}`, ...vars].flatMap((setting) => ['--var', setting]),
  ];
}

function kibEnvironment(bench: Bench, home: string): Readonly<Record<string, string>> {
  return { XDG_CACHE_HOME: join(bench.work, 'homes', home, 'cache'), XDG_STATE_HOME: join(bench.work, 'homes', home, 'state') };
}

/** A home without layers and packages that knows its base, as after an earlier build of it: the digest is what kib-native keeps of a local file. */
export function coldHome(bench: Bench, home: string, image: string): void {
  rmSync(join(bench.work, 'homes', home), { recursive: true, force: true });
  const [node = '', script = ''] = bench.program;
  const env = { ...process.env, ...kibEnvironment(bench, home) };
  execFileSync(node, [script, 'cache', 'why', ...imageArguments(bench, [image])], { env, stdio: 'ignore' });
}

function parse(line: string): Event | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    return JSON.parse(line) as Event;
  } catch {
    return undefined;
  }
}
