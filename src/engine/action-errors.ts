import {
  type ConsoleReader,
  errorMessage,
  formatDuration,
  isKibError,
  KibError,
  type KibErrorOptions,
  type RunningMachine,
} from '../core/index.ts';
import type { ScriptAction, SingleAction } from './action-steps.ts';
import { diskFull, type PackageFailure, packageFailure } from './package-errors.ts';

export interface ActionFailure {
  readonly action: ScriptAction;
  /** The last lines the action wrote. */
  readonly tail: readonly string[];
  /** Of one attempt, slowness included. */
  readonly timeoutMs: number;
  readonly attempts: number;
}

/**
 * KIB_ACTION_FAILED, or the usual reason that its output tells (packageFailure); without an exit code the script as a whole came to its end, for
 * the reason in `cause`.
 */
export function actionFailed(failure: ActionFailure, exitCode: number | undefined, cause?: Error): KibError {
  const tries = failure.attempts > 1 ? ` after ${failure.attempts} attempts` : '';
  const reason = exitCode === undefined ? undefined : reasonOf(failure);
  if (reason !== undefined) {
    const { code, message, hint } = reason;
    return new KibError(code, describe(failure, `failed${tries}: ${message}`), {
      hint,
      details: { ...details(failure), exitCode },
    });
  }
  const how = exitCode === undefined ? `failed: ${cause?.message ?? 'the script ended'}` : `failed with exit code ${exitCode}`;
  return new KibError('KIB_ACTION_FAILED', describe(failure, `${how}${tries}`), {
    ...facts(failure, cause),
    details: { ...details(failure), exitCode },
  });
}

/** Whether another attempt may go better. `wasCached`: the host's package cache had a part in this one. */
export function isWorthTrying(failure: ActionFailure, wasCached: boolean): boolean {
  const again = reasonOf(failure)?.again ?? 'always';
  return again === 'always' || (again === 'uncached' && wasCached);
}

function reasonOf({ action, tail }: ActionFailure): PackageFailure | undefined {
  return action.kind === 'exec' && action.packages === true ? packageFailure(tail) : diskFull(tail.join('\n'));
}

export function actionTimedOut(failure: ActionFailure, cause?: Error): KibError {
  const how = `was not done within ${formatDuration(failure.timeoutMs)}`;
  return new KibError('KIB_ACTION_TIMEOUT', describe(failure, how), facts(failure, cause));
}

export function connectionLost(failure: ActionFailure, cause: Error): KibError {
  return new KibError('KIB_SSH_LOST', describe(failure, `was cut short: ${cause.message}`), {
    details: details(failure),
    hint: 'an action that stops the network or the SSH server needs expectDisconnect; console.log in the log folder may tell more',
    cause,
  });
}

/** Ends of a program that systemd told to go since the system goes down: 128 + SIGHUP or SIGTERM. */
const TERMINATED = [129, 143];

/** Whether an action's failure is that the guest went away under it: the connection broke, or it was told to end. */
export function isBrokenOff(error: unknown): boolean {
  if (!isKibError(error)) return false;
  const { exitCode } = error.details;
  const isCut = error.code === 'KIB_ACTION_FAILED' && (exitCode === undefined || TERMINATED.includes(Number(exitCode)));
  // With a cause the guest fell silent; without, the action itself was over its time.
  return error.code === 'KIB_SSH_LOST' || isCut || (error.code === 'KIB_ACTION_TIMEOUT' && error.cause !== undefined);
}

/** How much of the console an error carries. */
const CONSOLE_LINES = 20;

/** A guest that did not come back, with the last that its console showed. */
export async function withConsole(error: unknown, machine: Pick<RunningMachine, 'console'> | undefined): Promise<unknown> {
  if (!isKibError(error) || error.code !== 'KIB_REBOOT_TIMEOUT' || machine?.console === undefined) return error;
  const lines = await lastLines(machine.console);
  if (lines.length === 0) return error;
  const message = `${error.message}; the console ends with\n${lines.map((line) => `  ${line}`).join('\n')}`;
  return new KibError(error.code, message, { hint: error.hint, cause: error, details: { ...error.details, console: lines } });
}

async function lastLines(console: ConsoleReader): Promise<readonly string[]> {
  try {
    return await console.tail(CONSOLE_LINES);
  } catch {
    return [];
  }
}

/** Runs `work`, which ends with the machine's own error when that stops meanwhile. */
export async function whileAlive(
  machine: Pick<RunningMachine, 'exited'> | undefined,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const died = new AbortController();
  machine?.exited.catch((error: unknown) => died.abort(error));
  await work(AbortSignal.any([signal, died.signal]));
}

/** A failed reboot or custom action: the same error with the action's name. */
export function singleFailed(action: ScriptAction | SingleAction, error: unknown): KibError {
  const known = isKibError(error) ? error : undefined;
  const message = `${action.id} (${action.title}) failed: ${errorMessage(error)}`;
  const facts = { recipe: action.recipe, action: action.id, title: action.title };
  return new KibError(known?.code ?? 'KIB_ACTION_FAILED', message, {
    hint: known?.hint,
    cause: error,
    details: { ...known?.details, ...facts },
  });
}

function describe(failure: ActionFailure, how: string): string {
  const head = `${failure.action.id} (${failure.action.title}) ${how}`;
  return failure.tail.length === 0 ? head : `${head}\n${failure.tail.map((line) => `  ${line}`).join('\n')}`;
}

function facts(failure: ActionFailure, cause: Error | undefined): KibErrorOptions {
  return {
    details: details(failure),
    hint: failure.tail.some((line) => line.startsWith('E: Unable to locate package'))
      ? 'of the package lists only what the build needed is in the guest: run apt-get update first'
      : 'with --on-error keep the machine is kept: kib-native ssh <build>, then run the script as root by sh -eu',
    cause,
  };
}

function details({ action, tail }: ActionFailure): Record<string, unknown> {
  return {
    recipe: action.recipe,
    action: action.id,
    title: action.title,
    ...(action.kind === 'exec' ? { script: action.script.masked } : { path: action.path }),
    lastLines: [...tail],
  };
}
