import { join } from 'node:path';
import {
  type Context,
  type Credentials,
  errorMessage,
  isKibError,
  KibError,
  type RunningMachine,
  type Transport,
  throwIfAborted,
  withDeadline,
} from '../core/index.ts';
import { sshServerSeen } from '../transport/errors.ts';
import { connectSsh } from '../transport/ssh.ts';
import { observe, POWER_ON } from './boot-phases.ts';
import {
  addEvidence,
  BOOT_DEADLINES,
  type BootDeadlines,
  type BootVerdict,
  firstEvidence,
  judgeBoot,
  type LoginTry,
} from './boot-verdict.ts';
import { type CloudInitStage, waitForCloudInit } from './cloud-init-wait.ts';
import { type Connector, Guest } from './guest.ts';
import type { LoginWay } from './login.ts';

export interface BootWaitOptions {
  /** Default: BOOT_DEADLINES. */
  readonly deadlines?: Partial<BootDeadlines>;
  /** Default: `final`. With `none` the guest has its login from elsewhere, and cloud-init is not expected to run. */
  readonly cloudInit?: CloudInitStage | 'none';
  /** For tests: how to connect. */
  readonly connect?: typeof connectSsh;
}

/** Between two looks at the evidence. */
const JUDGE_MS = 250;
/** Between two tries while nothing answers: the first success is what a build waits for. */
const RETRY_MS = 300;
/** After a refusal; sshd of OpenSSH 9.8 and later shuts out who is refused too often (PerSourcePenalties). */
const REFUSED_RETRY_MS = 3000;
/** QEMU's user network leaves a connect open while the guest has no address yet; a new one gets through sooner. */
const GREETING_TIMEOUT_MS = 2000;
const READY_TIMEOUT_MS = 15_000;
const TAIL_LINES = 20;
const SCREENSHOT_MS = 5000;

/**
 * Waits until the machine is up and cloud-init is as far as asked for, and logs in. Follows the boot phase by phase on the console; fails as soon as
 * the console names a failure, the system is up without a usable login, a phase passes its deadline, or the machine exits. Errors
 * carry the last console lines and, where the machine has a display, the path of a screenshot.
 */
export async function waitForGuest(
  machine: RunningMachine,
  credentials: Credentials,
  context: Context,
  options: BootWaitOptions = {},
): Promise<Guest> {
  const stop = new AbortController();
  const signal = AbortSignal.any([context.signal, stop.signal]);
  const connect = connector(machine, credentials, context, options.connect ?? connectSsh);
  throwIfAborted(context.signal);
  const way = options.cloudInit === 'none' ? 'credentials' : 'nocloud';
  const watch = new BootWatch(machine, context, { ...BOOT_DEADLINES, ...options.deadlines }, way);
  const login = watch.tryLogin(connect, signal);
  try {
    const others = [watch.readConsole(signal), watch.judge(signal), machine.exited, aborted(context.signal)];
    const transport = await Promise.race([login, ...others]);
    const guest = new Guest(transport, { connect, clock: context.clock, slowness: machine.slowness });
    try {
      const { cloudInit = 'final', deadlines } = options;
      if (cloudInit === 'none') return guest;
      context.span.note('logged in, waiting for cloud-init');
      const ms = (deadlines?.login ?? BOOT_DEADLINES.login) * machine.slowness;
      await Promise.race([waitForCloudInit(guest, cloudInit, ms, { ...context, signal }), machine.exited]);
      return guest;
    } catch (error) {
      await guest[Symbol.asyncDispose]();
      throw error;
    }
  } catch (error) {
    discard(login);
    throwIfAborted(context.signal);
    throw await withEvidence(error, machine, context);
  } finally {
    stop.abort(new Error('the wait is over'));
  }
}

/** Closes a connection that came about just when the wait had failed. */
function discard(login: Promise<Transport>): void {
  login.then(
    (transport) => transport[Symbol.asyncDispose](),
    () => {},
  );
}

export function connector(
  machine: RunningMachine,
  credentials: Credentials,
  { clock }: Pick<Context, 'clock'>,
  connect: typeof connectSsh = connectSsh,
): Connector {
  return async (signal) => {
    const endpoint = await machine.endpoint(signal);
    const readyTimeoutMs = READY_TIMEOUT_MS * machine.slowness;
    // Emulated guests answer late as well, but not as much later as they compute.
    const greetingTimeoutMs = GREETING_TIMEOUT_MS * Math.ceil(Math.sqrt(machine.slowness));
    return connect(endpoint, credentials, { signal, clock, readyTimeoutMs, greetingTimeoutMs });
  };
}

/** Gathers what console and SSH show, and judges it. */
class BootWatch {
  readonly #machine: RunningMachine;
  readonly #context: Context;
  readonly #deadlines: BootDeadlines;
  readonly #way: LoginWay;
  #evidence;

  constructor(machine: RunningMachine, context: Context, deadlines: BootDeadlines, way: LoginWay) {
    this.#way = way;
    this.#machine = machine;
    this.#context = context;
    this.#deadlines = withLag(deadlines, machine);
    this.#evidence = firstEvidence(POWER_ON, context.clock.now());
    context.span.note(POWER_ON.phase);
  }

  /** Follows the console; never resolves, since a silent console proves nothing. */
  async readConsole(signal: AbortSignal): Promise<never> {
    for await (const line of this.#machine.console?.lines(signal) ?? []) {
      this.#context.span.log('console', line);
      this.#add({ state: observe(this.#evidence.state, line) });
    }
    return new Promise(() => {});
  }

  /** Rejects with the verdict as soon as there is one. */
  async judge(signal: AbortSignal): Promise<never> {
    const { clock } = this.#context;
    for (;;) {
      await clock.sleep(JUDGE_MS, signal);
      const verdict = judgeBoot(this.#evidence, clock.now(), this.#machine.slowness, this.#deadlines, this.#way);
      if (verdict !== undefined) throw bootError(verdict);
    }
  }

  /** Tries to log in until it succeeds. */
  async tryLogin(connect: Connector, signal: AbortSignal): Promise<Transport> {
    for (;;) {
      try {
        return await connect(signal);
      } catch (error) {
        throwIfAborted(signal);
        const login = loginTry(error);
        this.#add({ login });
        await this.#context.clock.sleep(login === 'no-server' ? RETRY_MS : REFUSED_RETRY_MS, signal);
      }
    }
  }

  #add(news: Parameters<typeof addEvidence>[1]): void {
    const before = this.#evidence.phase;
    this.#evidence = addEvidence(this.#evidence, news, this.#context.clock.now());
    if (this.#evidence.phase !== before) this.#context.span.note(this.#evidence.phase);
  }
}

/** What a console tells late may not count as a boot that hangs. */
function withLag(deadlines: BootDeadlines, { console, slowness }: RunningMachine): BootDeadlines {
  const lagMs = (console?.lagMs ?? 0) / slowness;
  return Object.fromEntries(Object.entries(deadlines).map(([phase, ms]) => [phase, ms + lagMs])) as BootDeadlines;
}

function loginTry(error: unknown): LoginTry {
  if (!isKibError(error)) throw error;
  if (error.code === 'KIB_SSH_HOSTKEY') return 'host-key';
  if (error.code === 'KIB_SSH_AUTH') return 'key-refused';
  if (error.code !== 'KIB_SSH_LOST') throw error;
  return sshServerSeen(error) ? 'broken' : 'no-server';
}

function bootError({ code, what, hint }: BootVerdict): KibError {
  return new KibError(code, `the machine did not come up: ${what}`, { hint });
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
}

/** The same error with the last console lines and a screenshot. */
async function withEvidence(error: unknown, machine: RunningMachine, context: Context): Promise<unknown> {
  if (!isKibError(error)) return error;
  const tail = (await machine.console?.tail(TAIL_LINES)) ?? [];
  const screenshot = await takeScreenshot(machine, context);
  const parts = [
    error.message,
    ...(tail.length === 0 ? [] : ['last console lines:', ...tail.map((line) => `  ${line}`)]),
    ...(screenshot === undefined ? [] : [`screenshot: ${screenshot}`]),
  ];
  return new KibError(error.code, parts.join('\n'), {
    hint: error.hint,
    cause: error.cause ?? error,
    details: { ...error.details, console: tail, ...(screenshot === undefined ? {} : { screenshot }) },
  });
}

async function takeScreenshot(machine: RunningMachine, { clock, dirs, signal }: Context): Promise<string | undefined> {
  const path = join(dirs.logs, 'screenshot.png');
  const onTimeout = () => new KibError('KIB_QMP', `no screenshot within ${SCREENSHOT_MS} ms`);
  try {
    const { screenshotter } = machine;
    if (screenshotter === undefined) return undefined;
    await withDeadline({ ms: SCREENSHOT_MS, clock, signal, onTimeout }, () => screenshotter.screenshot(path));
    return path;
  } catch (error) {
    // A machine that is gone has no picture; the failure at hand matters more.
    return isKibError(error) ? undefined : Promise.reject(new Error(`screenshot: ${errorMessage(error)}`, { cause: error }));
  }
}
