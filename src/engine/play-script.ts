import { randomBytes } from 'node:crypto';
import { type Clock, cancelled, KibError, type Transport, throwIfAborted, withDeadline } from '../core/index.ts';
import { MarkerParser, type ScriptEvent } from './markers.ts';
import { Queue } from './queue.ts';
import { type ComposeOptions, composeScript, KILL_AFTER_SECONDS, type ScriptStep } from './script.ts';

export interface PlayOptions {
  readonly onFailure: ComposeOptions['onFailure'];
  readonly signal: AbortSignal;
  readonly clock: Clock;
}

/** How long after a step's own deadline the guest may stay silent about it. */
const STEP_GRACE_MS = 30_000;
/** From the connection to the first step: sudo, and writing the files. */
const BEGIN_TIMEOUT_MS = 120_000;
/** After the last marker, for a background process that holds the script's output open. */
const CLOSE_GRACE_MS = 2000;
const KILL_TIMEOUT_MS = (KILL_AFTER_SECONDS + 5) * 1000;

/**
 * Runs the steps as one script as root and yields its events. Throws KIB_SSH_LOST when the connection breaks, KIB_ACTION_FAILED when
 * the script ends before it is done, KIB_ACTION_TIMEOUT when the guest is silent long after a step's time. When the signal aborts
 * or the reader stops early, the script and the step it is at are ended in the guest before this returns.
 */
export async function* playScript(
  transport: Transport,
  steps: readonly ScriptStep[],
  { signal, clock, onFailure }: PlayOptions,
): AsyncGenerator<ScriptEvent, void, void> {
  throwIfAborted(signal);
  const nonce = randomBytes(16).toString('hex');
  const queue = new Queue<ScriptEvent>();
  const parser = new MarkerParser(nonce);
  const watchdog = new Watchdog(clock, (error) => queue.fail(error));
  const channel = new AbortController();
  const onAbort = () => queue.fail(cancelled(signal.reason));
  signal.addEventListener('abort', onAbort, { once: true });
  let noise = '';
  let attempt = 1;
  const state = { isOpen: true, isStepRunning: false, isDone: false, pid: 0 };
  const play = async () => {
    try {
      const end = await transport.exec(asRoot(transport, '/bin/sh -s'), {
        stdin: composeScript(steps, { nonce, onFailure }),
        signal: channel.signal,
        onStdout: (chunk) => queue.push(...parser.push(chunk)),
        onStderr: (chunk) => {
          noise = (noise + chunk.toString()).slice(-2000);
        },
      });
      queue.push(...parser.end());
      queue.fail(endedEarly(end.exitCode, noise));
    } catch (error) {
      queue.fail(error);
    } finally {
      state.isOpen = false;
    }
  };
  const ended = play();
  try {
    watchdog.arm(BEGIN_TIMEOUT_MS, 'the guest did not start the script');
    while (!state.isDone) {
      const event = await queue.shift();
      if (event === undefined) return;
      if (event.kind === 'begin') state.pid = event.pid;
      if (event.kind === 'start')
        watchdog.arm((steps[event.step]?.timeoutMs ?? 0) + STEP_GRACE_MS, 'the guest says nothing more');
      if (event.kind === 'end') watchdog.arm((steps[event.step]?.pauseMs ?? 0) + STEP_GRACE_MS, 'the guest did not go on');
      if (event.kind === 'start') {
        attempt = event.attempt;
        state.isStepRunning = true;
      }
      // It runs on when it is about to try again.
      if (event.kind === 'end') state.isStepRunning = isTriedAgain(steps[event.step], attempt, event.exitCode);
      state.isDone = event.kind === 'done';
      yield event;
    }
  } finally {
    watchdog.stop();
    signal.removeEventListener('abort', onAbort);
    if (state.isOpen && !state.isStepRunning && !signal.aborted) await within(CLOSE_GRACE_MS, clock, () => ended);
    if (state.isOpen && !state.isDone && state.pid !== 0) await endScript(transport, state.pid, ended, clock);
    channel.abort(new Error('the script is over'));
    await ended;
  }
}

function isTriedAgain(step: ScriptStep | undefined, attempt: number, exitCode: number): boolean {
  return step !== undefined && attempt < step.attempts && !(step.okCodes ?? [0]).includes(exitCode);
}

function asRoot({ isRoot = false }: Transport, command: string): string {
  return isRoot ? command : `sudo -n ${command}`;
}

/** Asks the script to end its step and itself. Closing the channel alone would leave them running. */
async function endScript(transport: Transport, pid: number, ended: Promise<void>, clock: Clock): Promise<void> {
  await within(KILL_TIMEOUT_MS, clock, async (signal) => {
    await transport.exec(asRoot(transport, `/bin/sh -c 'kill -TERM ${pid}'`), { signal });
    await ended;
  });
}

/** Waits for `work`, but not longer than `ms` and whatever its outcome. */
async function within(ms: number, clock: Clock, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const onTimeout = () => new KibError('KIB_ACTION_TIMEOUT', `waited ${ms} ms`);
  try {
    await withDeadline({ ms, clock, signal: new AbortController().signal, onTimeout }, work);
  } catch {
    // The connection is gone or the guest hangs; closing the channel is all that is left.
  }
}

function endedEarly(exitCode: number | undefined, noise: string): KibError {
  const how = exitCode === undefined ? 'was killed' : `ended with exit code ${exitCode}`;
  return new KibError('KIB_ACTION_FAILED', `the script ${how} before it was done${noise === '' ? '' : `: ${noise.trim()}`}`, {
    details: { exitCode },
  });
}

/** Calls back with KIB_ACTION_TIMEOUT unless armed again or stopped in time. */
class Watchdog {
  readonly #clock: Clock;
  readonly #onTimeout: (error: KibError) => void;
  #timer = new AbortController();

  constructor(clock: Clock, onTimeout: (error: KibError) => void) {
    this.#clock = clock;
    this.#onTimeout = onTimeout;
  }

  arm(ms: number, what: string): void {
    this.stop();
    this.#timer = new AbortController();
    this.#clock.sleep(ms, this.#timer.signal).then(
      () => this.#onTimeout(new KibError('KIB_ACTION_TIMEOUT', `${what} within ${Math.round(ms / 1000)} s`)),
      () => {},
    );
  }

  stop(): void {
    this.#timer.abort(new Error('in time'));
  }
}
