import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Context,
  type Credentials,
  errorMessage,
  isKibError,
  KibError,
  type RunningMachine,
  withScope,
} from '../core/index.ts';
import { ownPath } from '../io/own-path.ts';
import type { BuildJournal } from './journal.ts';
import type { BuildRequest, MachineAccess } from './request.ts';

/** Name of the file in a build's log folder that says how to log in to its machine. */
export const ACCESS_FILE = 'ssh.json';

export interface FailureMode {
  readonly request: BuildRequest;
  readonly machine: RunningMachine;
  readonly credentials: Credentials;
  readonly journal: BuildJournal;
}

/**
 * Runs `work`; when it fails, keeps the machine or opens a shell on it as the user asked, then throws the failure on. The scope that
 * `work` sees is for what lives in this process alone (connections): it is released even when the machine is kept.
 */
export async function withFailureMode<T>(
  mode: FailureMode,
  context: Context,
  work: (context: Context) => Promise<T>,
): Promise<T> {
  try {
    return await withScope((scope) => work({ ...context, scope }));
  } catch (error) {
    if (mode.request.onError === 'cleanup' || isInterrupted(error, context)) throw error;
    const isKept = await tryToOffer(mode, error, context);
    throw isKept && isKibError(error) ? withBuild(error, context.buildId) : error;
  }
}

// Hints tell how a machine could be kept; here it is.
function withBuild(error: KibError, buildId: string): KibError {
  const hint = error.hint?.replace(/^with --on-error keep \w+ machine is kept: /, '').replace('<build>', buildId);
  const { code, message, retryable, details, cause, suppressed, stack } = error;
  const told = new KibError(code, message, { hint, retryable, details, cause });
  told.suppressed.push(...suppressed);
  return Object.assign(told, { stack });
}

// A machine that is gone cannot be offered; that must not hide why the build failed.
async function tryToOffer(mode: FailureMode, error: unknown, context: Context): Promise<boolean> {
  try {
    return await offerMachine(mode, error, context);
  } catch (problem) {
    context.span.warn(
      'KIB_KEEP_FAILED',
      `the machine cannot be ${mode.request.onError === 'shell' ? 'entered' : 'kept'}: ${errorMessage(problem)}`,
    );
    if (isKibError(error)) error.suppressed.push(problem);
    return false;
  }
}

/** Whether the machine is kept. */
async function offerMachine(
  { request, machine, credentials, journal }: FailureMode,
  error: unknown,
  context: Context,
): Promise<boolean> {
  const access = await writeAccess(machine, credentials, context);
  if (request.onError === 'shell' && request.openShell !== undefined) {
    context.span.warn('KIB_SHELL', `${errorMessage(error)}; opening a shell on the machine`, 'leave the shell to clean up');
    await request.openShell(access);
    return false;
  }
  await journal.keep();
  await machine.release();
  context.scope.abandon();
  context.span.warn(
    'KIB_KEPT',
    `the machine is kept: ${machine.id}`,
    `kib-native ssh ${context.buildId}; remove it with kib-native gc ${context.buildId}`,
  );
  return true;
}

/** The files go with the machine: the login is of no use without it. */
export async function writeAccess(machine: RunningMachine, credentials: Credentials, context: Context): Promise<MachineAccess> {
  const endpoint = await machine.endpoint(context.signal);
  const { logs } = context.dirs;
  const access: MachineAccess = {
    build: context.buildId,
    endpoint,
    username: credentials.username,
    keyFile: join(logs, 'login-key'),
    knownHostsFile: join(logs, 'known_hosts'),
  };
  const [type, key] = credentials.hostKey.split(' ');
  const files = [
    [access.keyFile, credentials.privateKey],
    [access.knownHostsFile, `[${endpoint.host}]:${endpoint.port} ${type} ${key}\n`],
    [join(logs, ACCESS_FILE), `${JSON.stringify(access, undefined, 2)}\n`],
  ] as const;
  for (const [path, text] of files) {
    await ownPath('file', path, context);
    await writeFile(path, text, { mode: 0o600 });
  }
  return access;
}

function isInterrupted(error: unknown, context: Context): boolean {
  return context.signal.aborted || (isKibError(error) && error.class === 'cancelled');
}
