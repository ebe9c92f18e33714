import pLimit from 'p-limit';
import { type BuildEvent, isKibError, systemClock, throwIfAborted } from '../core/index.ts';
import type { SettledBuild } from '../engine/build-all.ts';
import type { Breakpoint, BuildRequest, MachineAccess } from '../engine/request.ts';
import type { ReportedBuild, Ui, UiOptions } from '../ui/index.ts';
import type { Cli } from './cli.ts';
import { wantsColour } from './io.ts';
import { reportError, statusOf } from './report-error.ts';
import { openShell } from './shell.ts';

/** A build that is asked for, and the title it is shown by. */
export interface TitledRequest {
  readonly title: string;
  /** Its shell, should it need one, is opened on this terminal. */
  readonly request: Omit<BuildRequest, 'openShell' | 'pause'>;
}

export interface RunOptions {
  /** How many at once. */
  readonly parallel: number;
  readonly json?: boolean | undefined;
  readonly debug?: boolean | undefined;
}

type TitledBuild = SettledBuild & { readonly title: string };

/** Runs builds, shows how they are doing, and tells how they ended. The exit status becomes that of the one that failed first. */
export async function runBuilds(cli: Cli, builds: readonly TitledRequest[], options: RunOptions): Promise<void> {
  const { io } = cli;
  const [{ buildAll }, { createUi, renderReport }] = await Promise.all([
    import('../engine/build-all.ts'),
    import('../ui/index.ts'),
  ]);
  const ui = createUi(uiOptions(cli, builds, options));
  const isOne = builds.length === 1;
  const canPause = io.isInteractive && io.enter !== undefined && options.json !== true;
  const turns = pLimit(1);
  // Breakpoints of several builds wait for one another: there is one terminal.
  const pausing = (title: string): Pick<BuildRequest, 'pause'> =>
    canPause ? { pause: (breakpoint) => turns(() => pause(cli, ui, isOne ? undefined : title, breakpoint)) } : {};
  const titles = new Map<BuildRequest, string>(
    builds.map(({ title, request }) => [{ ...request, openShell: (access) => shell(cli, ui, access), ...pausing(title) }, title]),
  );
  const titled = (build: SettledBuild): TitledBuild => ({ ...build, title: titles.get(build.request) ?? '' });
  try {
    const all = buildAll([...titles.keys()], {
      parallel: options.parallel,
      signal: io.signal,
      onStart: (build, request) => ui.add(build.id, titles.get(request) ?? ''),
      onEnd: (build) => {
        if (build.status !== 'done') cli.exitCode ||= statusOf(build.error);
        if (options.json === true) tellJson(cli, titled(build), isOne);
      },
    });
    const notes = new Notes();
    all.subscribe((event) => {
      ui.read(event);
      notes.read(event);
    });
    io.onBuilds?.({
      say: (text) => ui.say(text),
      leave: () => {
        ui.close();
        return all
          .running()
          .map((build) => ({ build: build.id, held: build.held() }))
          .filter(({ held }) => held.length > 0);
      },
    });
    const settled = (await all.results).map(titled);
    ui.close();
    if (options.json !== true) {
      const colour = wantsColour(io.env, io.stdout);
      tell(cli, settled, options, (result) => renderReport(result, { colour, notes: notes.of(result.id) }));
    }
  } finally {
    io.onBuilds?.(undefined);
    ui.close();
  }
}

function uiOptions({ io }: Cli, builds: readonly TitledRequest[], { json, debug }: RunOptions): UiOptions {
  const canRedraw = io.stderr.isTTY === true && io.env['TERM'] !== 'dumb';
  return {
    mode: json === true ? 'json' : canRedraw ? 'tty' : 'plain',
    stdout: io.stdout,
    stderr: io.stderr,
    verbose: debug === true,
    columns: () => io.stderr.columns ?? 80,
    rows: () => io.stderr.rows ?? 24,
    colour: wantsColour(io.env, io.stderr),
    clock: systemClock,
    titles: builds.map(({ title }) => title),
  };
}

async function shell(cli: Cli, ui: Ui, access: MachineAccess): Promise<void> {
  const resume = ui.suspend();
  try {
    await openShell(access, [], cli.io.signal);
  } finally {
    resume();
  }
}

async function pause(cli: Cli, ui: Ui, title: string | undefined, { message, access, signal }: Breakpoint): Promise<void> {
  throwIfAborted(signal);
  const resume = ui.suspend();
  try {
    const who = title === undefined ? '' : `${title}: `;
    cli.say(
      `${who}paused: ${message}\nin another terminal: kib-native ssh ${access.build}\nEnter goes on, Ctrl-C ends the build`,
    );
    await cli.io.enter?.(signal);
  } finally {
    resume();
  }
}

/** Results on standard output and errors on standard error, one line of JSON each, as the builds end. */
function tellJson(cli: Cli, build: TitledBuild, isOne: boolean): void {
  if (build.status === 'done') cli.print(JSON.stringify({ v: 1, type: 'result', build: build.id, result: build.result }));
  else reportError(build.error, cli.io, { json: true, ...(isOne ? {} : { of: { image: build.title, build: build.id } }) });
}

/** The reports of those that worked, then why others did not, then who they are: what ended first has scrolled away by now. */
function tell(
  cli: Cli,
  builds: readonly TitledBuild[],
  { debug }: RunOptions,
  render: (result: ReportedBuild & { readonly id: string }) => string,
): void {
  const reports = builds.flatMap((build) => (build.status === 'done' ? [render(build.result)] : []));
  if (reports.length > 0) cli.print(reports.join('\n'));
  const failed = builds.filter((build) => build.status === 'failed');
  const waiting = builds.filter((build) => build.status === 'not-started');
  // Nothing else tells that they were interrupted.
  const told = failed.length === 0 ? waiting.slice(0, 1) : failed;
  for (const { error, title, id } of told)
    reportError(error, cli.io, { debug, ...(builds.length === 1 ? {} : { of: { image: title, build: id } }) });
  if (builds.length === 1) return;
  const isInterrupted = ({ error }: { readonly error: unknown }) => isKibError(error) && error.class === 'cancelled';
  const groups: readonly (readonly [string, readonly TitledBuild[]])[] = [
    ['failed', failed.filter((build) => !isInterrupted(build))],
    ['interrupted', failed.filter(isInterrupted)],
    ['not started', waiting],
  ];
  const parts = groups
    .filter(([, some]) => some.length > 0)
    .map(([what, some]) => `${some.length} ${what}: ${some.map(({ title }) => title).join(', ')}`);
  if (parts.length > 0) cli.say(`of ${builds.length} images ${parts.join('; ')}`);
}

/** What the report repeats of a build's warnings: that something could not be reached, and of when its copy is that was used. */
class Notes {
  readonly #texts = new Map<string, string[]>();

  read(event: BuildEvent): void {
    if (event.type !== 'warning' || event.code !== 'KIB_HTTP') return;
    this.#texts.set(event.build, [...this.of(event.build), event.message]);
  }

  of(build: string): readonly string[] {
    return this.#texts.get(build) ?? [];
  }
}
