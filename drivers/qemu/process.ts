import { readFile } from 'node:fs/promises';
import { type Context, isKibError, KibError, type Scope, systemCode, throwIfAborted } from '../../src/core/index.ts';
import { connectQmp, type QmpConnection } from '../../src/io/qmp.ts';
import { Daemon, type DaemonEnd } from './daemon.ts';
import { forwardedPort } from './ports.ts';
import { QEMU_PROCESS } from './reap.ts';

/** A running QEMU with its control connection. */
export interface QemuProcess {
  readonly daemon: Daemon;
  readonly qmp: QmpConnection;
  /** Where the guest's SSH server is reached on 127.0.0.1. */
  readonly port: number;
  /** What QEMU prints goes here. */
  readonly log: string;
}

export interface StartRequest {
  readonly argv: readonly string[];
  readonly pidfile: string;
  readonly qmpSocket: string;
  readonly log: string;
}

/** QEMU opens its socket before it sets up devices; on a loaded host even that may take a while. */
const CONNECT_MS = 60_000;
const RETRY_MS = 20;
const QUIT_MS = 2000;
const LAST_WORDS_MS = 1000;

/** Starts QEMU, known to journal and scope before it runs, and connects to it. Throws KIB_QEMU_EXITED with its own words when it refuses. */
export async function startQemu(request: StartRequest, scope: Scope, context: Context): Promise<QemuProcess> {
  const { pidfile, log } = request;
  const released = await context.journal.acquire({ kind: QEMU_PROCESS, id: pidfile, data: { pidfile } });
  let daemon: Daemon | undefined;
  let qmp: QmpConnection | undefined;
  scope.defer('QEMU', async () => {
    if (daemon?.isRunning === true) await quit(daemon, qmp);
    await daemon?.stop();
    await qmp?.[Symbol.asyncDispose]();
    await released();
  });
  throwIfAborted(context.signal);
  daemon = await Daemon.start(request.argv, log, context.clock);
  try {
    qmp = await connect(request, daemon, context);
    return { daemon, qmp, log, port: await forwardedPort(qmp, context.signal) };
  } catch (error) {
    throwIfAborted(context.signal);
    // A QEMU that gives up drops the connection first and is gone a moment later; its own words say more.
    if (await daemon.endsWithin(LAST_WORDS_MS)) throw await qemuExited(await daemon.ended, log);
    throw error;
  }
}

/** How QEMU ended, in words; `isClean` when the guest powered itself off. */
export async function describeEnd(end: DaemonEnd, log: string): Promise<{ readonly isClean: boolean; readonly message: string }> {
  const lines = (await readFile(log, 'utf8').catch(() => ''))
    .trim()
    .split('\n')
    .filter((line) => line !== '');
  // QEMU exits with 0 when a signal ended it in good order, too, and then says so.
  const isClean = end.code === 0 && !lines.some((line) => line.includes('terminating on signal'));
  if (isClean) return { isClean, message: 'the guest powered itself off' };
  const how = end.signal === undefined ? `exited with ${end.code}` : `was killed by ${end.signal}`;
  const said = lines.slice(-5).join('\n');
  return { isClean, message: `QEMU ${how}${said === '' ? '' : `: ${said}`}` };
}

/** The error for a QEMU that ended when it should not have. */
export async function qemuExited(end: DaemonEnd, log: string): Promise<KibError> {
  const { message } = await describeEnd(end, log);
  return new KibError('KIB_QEMU_EXITED', message, {
    hint: `the command is in commands.log beside ${log}; run it by hand to see more`,
    details: { ...end, log },
  });
}

// Being asked by QMP, QEMU flushes and leaves at once; what does not answer is stopped by signals.
async function quit(daemon: Daemon, qmp: QmpConnection | undefined): Promise<void> {
  await qmp?.execute('quit', {}, { signal: new AbortController().signal, timeoutMs: QUIT_MS }).catch(() => {});
  if (qmp !== undefined) await daemon.endsWithin(QUIT_MS);
}

async function connect({ qmpSocket }: StartRequest, daemon: Daemon, context: Context): Promise<QmpConnection> {
  const deadline = context.clock.now() + CONNECT_MS;
  for (;;) {
    throwIfAborted(context.signal);
    try {
      return await connectQmp(qmpSocket, context);
    } catch (error) {
      const isNotThereYet = isKibError(error) && ['ENOENT', 'ECONNREFUSED'].includes(systemCode(error.cause) ?? '');
      if (!isNotThereYet || !daemon.isRunning || context.clock.now() >= deadline) throw error;
    }
    await context.clock.sleep(RETRY_MS, context.signal);
  }
}
