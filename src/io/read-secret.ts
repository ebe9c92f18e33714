import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import {
  type Clock,
  errorMessage,
  KibError,
  Secret,
  type SecretRef,
  systemCode,
  throwIfAborted,
  withDeadline,
} from '../core/index.ts';
import { run } from './process.ts';

/** Where this host keeps secrets. */
export interface SecretSources {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Relative paths start here, and commands run here. */
  readonly dir: string;
}

/** A program that asks somebody for a password must not hold anything up for ever. */
const COMMAND_TIMEOUT_MS = 60_000;

/** Reads one secret: of the environment, a file, or a command of this host. Throws KIB_SECRET_MISSING. */
export async function readSecret(
  ref: SecretRef,
  options: { readonly clock: Clock; readonly signal: AbortSignal; readonly sources?: SecretSources },
): Promise<Secret> {
  const { sources = { env: process.env, dir: '.' } } = options;
  try {
    const text = await readSecretText(ref, sources, options);
    if (text === '') throw new Error('is empty');
    return new Secret(secretName(ref), text);
  } catch (error) {
    throwIfAborted(options.signal);
    throw new KibError('KIB_SECRET_MISSING', `cannot read a secret: ${secretName(ref)} ${errorMessage(error)}`, {
      hint: hintFor(ref),
    });
  }
}

/** What a reference leads to, without a line feed at its end. Throws an error whose message goes on from the secret's name. */
export async function readSecretText(
  ref: SecretRef,
  { env, dir }: SecretSources,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<string> {
  if ('env' in ref) {
    const value = env[ref.env];
    if (value === undefined) throw new Error('is not set');
    return value;
  }
  if ('file' in ref) return withoutLastLineFeed(await readText(resolve(dir, ref.file)));
  const [program = '', ...args] = ref.command;
  const onTimeout = () => new KibError('KIB_SECRET_MISSING', `did not end within ${COMMAND_TIMEOUT_MS / 1000} s`);
  return withDeadline({ ms: COMMAND_TIMEOUT_MS, clock, signal, onTimeout }, async (inner) => {
    const { stdout } = await run(program, args, { signal: inner, cwd: dir });
    return withoutLastLineFeed(stdout);
  });
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const why = systemCode(error) === 'ENOENT' ? 'does not exist' : `cannot be read: ${errorMessage(error)}`;
    throw new Error(why, { cause: error });
  }
}

function withoutLastLineFeed(text: string): string {
  return text.replace(/\r?\n$/, '');
}

/** For people; the arguments of a command may be secrets themselves. */
export function secretName(ref: SecretRef): string {
  if ('env' in ref) return `the environment variable ${ref.env}`;
  return 'file' in ref ? `the file ${ref.file}` : `what ${ref.command[0]} prints`;
}

function hintFor(ref: SecretRef): string {
  if ('env' in ref) return `export ${ref.env}=…`;
  return 'file' in ref ? 'paths start at the folder that kib-native runs in' : 'run the command by itself to see why';
}
