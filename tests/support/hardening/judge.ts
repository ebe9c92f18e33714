import type { Control, Given } from '../../../recipes/hardening/control.ts';
import { lines, type Sh, sh } from '../../../src/core/index.ts';
import type { Guest } from '../../../src/engine/guest.ts';
import type { ScriptStep } from '../../../src/engine/script.ts';
import { sabotagesOf } from './sabotage.ts';

export interface Verdict {
  readonly id: string;
  /** What of the undone the check did not name; empty when it named all. */
  readonly unnamed: readonly string[];
  /** What it printed of the machine as it is, before anything was undone or after all was put back. */
  readonly otherwise: string;
}

/** Undoes each control in turn in a running machine, asks its check, and puts it back: one script, in the order of the controls. */
export async function judgeChecks(
  guest: Guest,
  controls: readonly Control[],
  given: Given,
  signal: AbortSignal,
): Promise<readonly Verdict[]> {
  const cases = controls.map((control) => ({ control, sabotages: sabotagesOf(control), check: control.check(given) }));
  const restore = cases.map(({ sabotages }) => lines([...sabotages].reverse().map(({ restore: script }) => script)));
  const outputs = await play(
    guest,
    [
      ...cases.flatMap(({ sabotages, check }, index) => [
        lines([restore[index - 1] ?? sh`:`, ...sabotages.map(({ undo }) => undo)]),
        check,
      ]),
      restore.at(-1) ?? sh`:`,
      ...cases.map(({ check }) => check),
    ],
    signal,
  );
  return cases.map(({ control, sabotages }, index) => {
    const said = outputs[2 * index + 1] ?? '';
    const slip = outputs[2 * index] ?? '';
    return {
      id: control.id,
      unnamed: sabotages
        .flatMap(({ named }) => named)
        .filter((name) => !said.includes(name))
        .map((name) => `${name}; got ${JSON.stringify(said)}${slip === '' ? '' : `, when undoing it ${JSON.stringify(slip)}`}`),
      otherwise: outputs[2 * cases.length + 1 + index] ?? 'nothing was run',
    };
  });
}

/** Standard output of each script; of one that failed its errors and exit code too. */
async function play(guest: Guest, scripts: readonly Sh[], signal: AbortSignal): Promise<readonly string[]> {
  const steps = scripts.map(
    (script): ScriptStep => ({ script, timeoutMs: 120_000 * guest.slowness, attempts: 1, pauseMs: 0, stderr: 'apart' }),
  );
  const outputs: string[] = [];
  let [stdout, stderr]: Buffer[][] = [[], []];
  let isError = false;
  for await (const event of guest.script(steps, { onFailure: 'continue', signal })) {
    if (event.kind === 'start') [stdout, stderr, isError] = [[], [], false];
    if (event.kind === 'stderr') isError = true;
    if (event.kind === 'output') (isError ? stderr : stdout)?.push(event.bytes);
    if (event.kind !== 'end') continue;
    const failure = event.exitCode === 0 ? '' : `${Buffer.concat(stderr ?? []).toString()}\nexit code ${event.exitCode}`;
    outputs[event.step] = `${Buffer.concat(stdout ?? [])
      .toString()
      .trim()}${failure}`;
  }
  return outputs;
}
