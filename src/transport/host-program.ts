import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Client, ClientChannel } from 'ssh2';
import { type Clock, cancelled, KibError, throwIfAborted } from '../core/index.ts';

export interface HostRunOptions {
  readonly signal: AbortSignal;
  /** Sent to standard input, which is closed after it. */
  readonly input?: Readable;
  /** Takes standard output instead of the result; it is left open. A failure of it ends the program. */
  readonly output?: Writable;
}

export interface HostRunResult {
  readonly stdout: string;
  readonly stderr: string;
  /** Undefined when a signal ended the program. */
  readonly exitCode: number | undefined;
}

/** For a program whose standard input was cut to end. */
const END_MS = 5000;

/** A program that was started, with how it ended once it has. */
export interface HostSession {
  readonly channel: ClientChannel;
  /** Resolves once everything was read and the channel is closed: with the exit code, null for a signal's, or undefined when the connection broke. */
  readonly ended: Promise<number | null | undefined>;
}

/** Starts a program. */
export function openSession(client: Client, command: string): Promise<HostSession> {
  return new Promise((resolve, reject) => {
    client.exec(command, (error, channel) => {
      // Listened to at once: a short program's exit may stand in the very packet that opened the channel.
      if (error === undefined) resolve({ channel, ended: endOf(channel) });
      else reject(error);
    });
  });
}

function endOf(channel: ClientChannel): HostSession['ended'] {
  const ended = new Promise<number | null | undefined>((resolve, reject) => {
    let exitCode: number | null | undefined;
    channel.on('exit', (code: number | null) => {
      exitCode = code;
    });
    channel.on('error', reject);
    channel.on('close', () => resolve(exitCode));
  });
  ended.catch(() => {});
  return ended;
}

/**
 * The session of a program, unless the signal aborts first. The program may run by then although nobody here knows it yet: it is ended before this
 * rejects, or as soon as the server answers.
 */
export async function abortableSession(signal: AbortSignal, opening: Promise<HostSession>, clock: Clock): Promise<HostSession> {
  try {
    return await abortable(signal, opening);
  } catch (error) {
    const isOver = opening.then((late) => endUnread(late, clock)).catch(() => {});
    await Promise.race([isOver, clock.sleep(END_MS)]);
    throw error;
  }
}

/** A channel closes only once all that came over it was read. */
async function endUnread(session: HostSession, clock: Clock): Promise<void> {
  session.channel.resume();
  session.channel.stderr.resume();
  await endProgram(session, clock);
}

/** Ends a program's input, sends it SIGTERM and waits a moment for its end. */
async function endProgram({ channel, ended }: HostSession, clock: Clock): Promise<void> {
  channel.signal('TERM');
  channel.end();
  await Promise.race([ended.catch(() => {}), clock.sleep(END_MS)]);
  channel.close();
}

/** Feeds a program, and reads what it says to its end. */
export async function runProgram({ channel, ended }: HostSession, options: HostRunOptions, clock: Clock): Promise<HostRunResult> {
  const { signal, input, output } = options;
  const [out, err]: [Buffer[], Buffer[]] = [[], []];
  const written = output === undefined ? undefined : pipeline(channel, output, { end: false });
  // What cannot be written ends everything; `written` is looked at below.
  written?.catch(() => channel.close());
  if (written === undefined) channel.on('data', (chunk: Buffer) => out.push(chunk));
  channel.stderr.on('data', (chunk: Buffer) => err.push(chunk));
  if (input === undefined) channel.end();
  // A program that ends early does not read all of it; its exit code says whether that was meant.
  else pipeline(input, channel, { signal }).catch(() => channel.end());
  const exitCode = await abortable(signal, ended).catch(async (error: unknown) => {
    await endProgram({ channel, ended }, clock);
    throw error;
  });
  await written;
  if (exitCode === undefined) throw new KibError('KIB_SSH_LOST', 'the connection broke while a program ran', { retryable: true });
  return { stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString(), exitCode: exitCode ?? undefined };
}

/** Rejects as soon as the signal aborts; what comes late is given to `drop`. */
export async function abortable<T>(signal: AbortSignal, work: Promise<T>, drop?: (late: T) => void): Promise<T> {
  let onAbort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => {
      work.then(
        (late) => drop?.(late),
        () => {},
      );
      reject(cancelled(signal.reason));
    };
    signal.addEventListener('abort', onAbort, { once: true });
  });
  // Whichever comes second, nobody waits for.
  aborted.catch(() => {});
  work.catch(() => {});
  try {
    throwIfAborted(signal);
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
