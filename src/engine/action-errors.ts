import { errorMessage, formatDuration, isKibError, KibError, type KibErrorOptions } from '../core/index.ts';
import type { ScriptAction, SingleAction } from './action-steps.ts';

export interface ActionFailure {
  readonly action: ScriptAction;
  /** The last lines the action wrote. */
  readonly tail: readonly string[];
  /** Of one attempt, slowness included. */
  readonly timeoutMs: number;
  readonly attempts: number;
}

/** KIB_ACTION_FAILED; without an exit code the script as a whole came to its end, for the reason in `cause`. */
export function actionFailed(failure: ActionFailure, exitCode: number | undefined, cause?: Error): KibError {
  const how = exitCode === undefined ? `failed: ${cause?.message ?? 'the script ended'}` : `failed with exit code ${exitCode}`;
  const tries = failure.attempts > 1 ? ` after ${failure.attempts} attempts` : '';
  return new KibError('KIB_ACTION_FAILED', describe(failure, `${how}${tries}`), {
    ...facts(failure, cause),
    details: { ...details(failure), exitCode },
  });
}

export function actionTimedOut(failure: ActionFailure, cause?: Error): KibError {
  const how = `was not done within ${formatDuration(failure.timeoutMs)}`;
  return new KibError('KIB_ACTION_TIMEOUT', describe(failure, how), facts(failure, cause));
}

export function connectionLost(failure: ActionFailure, cause: Error): KibError {
  return new KibError('KIB_SSH_LOST', describe(failure, `was cut short: ${cause.message}`), {
    details: details(failure),
    hint: 'does the action stop the network or the SSH server? see console.log in the log folder',
    cause,
  });
}

/** A failed reboot or custom action: the same error with the action's name. */
export function singleFailed(action: SingleAction, error: unknown): KibError {
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
    hint: 'with --on-error keep the machine is kept: kib-native ssh <build>, then run the script by sudo sh -eu',
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
