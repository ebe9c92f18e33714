import { type Check, type CheckResult, type Expectation, KibError, redactor, type Span } from '../core/index.ts';
import { type Guest, isTimeout } from './guest.ts';
import type { ScriptStep } from './script.ts';

export interface RunChecksOptions {
  readonly when: 'build' | 'boot';
  /** Gets a `check` event per check, as soon as its result is known. */
  readonly span: Span;
  readonly signal: AbortSignal;
}

interface Observation {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
  readonly isTimeout: boolean;
}

const DEFAULT_TIMEOUT_MS = 60_000;
/** What a result shows of a long output. */
const MAX_DETAIL = 300;

/** Runs the checks meant for this moment, all in one script. A failed check is a result; only a broken connection or an abort throws. */
export async function runChecks(
  guest: Guest,
  checks: readonly Check[],
  options: RunChecksOptions,
): Promise<readonly CheckResult[]> {
  const wanted = checks.filter((check) => check.when.includes(options.when));
  if (wanted.length === 0) return [];
  const steps = wanted.map((check): ScriptStep => {
    const timeoutMs = (check.timeoutMs ?? DEFAULT_TIMEOUT_MS) * guest.slowness;
    return { script: check.script, timeoutMs, attempts: 1, pauseMs: 0, stderr: 'apart' };
  });
  const results: CheckResult[] = [];
  let stream: 'stdout' | 'stderr' = 'stdout';
  let seen: Record<'stdout' | 'stderr', Buffer[]> = { stdout: [], stderr: [] };
  for await (const event of guest.script(steps, { onFailure: 'continue', signal: options.signal })) {
    if (event.kind === 'start') {
      stream = 'stdout';
      seen = { stdout: [], stderr: [] };
    }
    if (event.kind === 'output') seen[stream].push(event.bytes);
    if (event.kind === 'stderr') stream = 'stderr';
    const check = event.kind === 'end' ? wanted[event.step] : undefined;
    if (event.kind !== 'end' || check === undefined) continue;
    const hide = redactor(check.script.secrets);
    const [stdout, stderr] = [seen.stdout, seen.stderr].map((chunks) => hide(Buffer.concat(chunks).toString().trim()));
    const timedOut = isTimeout(event, steps[event.step]?.timeoutMs ?? 0);
    const verdict = judge(check.expect, {
      stdout: stdout ?? '',
      stderr: stderr ?? '',
      exitCode: event.exitCode,
      isTimeout: timedOut,
    });
    const result = { name: check.name, title: check.title, ...verdict, ms: event.ms };
    results.push(result);
    options.span.emit({ type: 'check', result });
  }
  return results;
}

/** Throws KIB_CHECK_FAILED naming every failed check, `subject` being what was checked: `the finished image`. `hint` is how to look at it. */
export function requireChecks(results: readonly CheckResult[], subject: string, hint: string): void {
  const failed = results.filter((result) => !result.ok);
  if (failed.length === 0) return;
  const list = failed.map((result) => `  ${result.name}: ${result.title}: ${result.detail}`).join('\n');
  throw new KibError('KIB_CHECK_FAILED', `${subject} failed ${failed.length} of ${results.length} checks:\n${list}`, {
    details: { failed },
    hint,
  });
}

/** Compares what a check's script did with what was expected; `detail` says wanted and got, or the value seen. */
export function judge(expect: Expectation, seen: Observation): Pick<CheckResult, 'ok' | 'detail'> {
  if (seen.isTimeout) return { ok: false, detail: 'took too long' };
  const wanted = describe(expect);
  if (seen.exitCode !== 0) {
    const said = shorten(seen.stderr === '' ? seen.stdout : seen.stderr);
    return { ok: false, detail: `wanted ${wanted}, got exit code ${seen.exitCode}${said === '' ? '' : `: ${said}`}` };
  }
  if (matches(expect, seen.stdout)) return { ok: true, detail: shorten(seen.stdout.split('\n')[0] ?? '') };
  return { ok: false, detail: `wanted ${wanted}, got ${seen.stdout === '' ? 'nothing' : JSON.stringify(shorten(seen.stdout))}` };
}

function matches(expect: Expectation, stdout: string): boolean {
  if (expect.kind === 'success') return true;
  return expect.kind === 'equals' ? stdout === expect.text.trim() : new RegExp(expect.pattern, 'm').test(stdout);
}

function describe(expect: Expectation): string {
  if (expect.kind === 'success') return 'success';
  return expect.kind === 'equals' ? JSON.stringify(expect.text.trim()) : `a match of /${expect.pattern}/`;
}

function shorten(text: string): string {
  return text.length <= MAX_DETAIL ? text : `${text.slice(0, MAX_DETAIL)}…`;
}
