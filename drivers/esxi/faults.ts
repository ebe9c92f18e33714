import { KibError } from '../../src/core/index.ts';

/** What a command on the host said, as far as anybody acts on it; `details.failure` of the error. */
export type EsxiFailure = 'not-found' | 'taken' | 'full' | 'tools' | 'other';

export interface CommandEnd {
  readonly argv: readonly string[];
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number | undefined;
  readonly place: string;
}

/** By the messages of ESXi’s programs, which come in English whatever the locale; vim-cmd prints faults as `(vim.fault.NotFound) { … }`. */
const SIGNS: readonly (readonly [RegExp, EsxiFailure])[] = [
  [/No space left on device|vim\.fault\.NoDiskSpace|not enough space|There is no more space/i, 'full'],
  [/vim\.fault\.NotFound|Unable to find a VM corresponding|No such file or directory/i, 'not-found'],
  [/vim\.fault\.(AlreadyExists|DuplicateName)|already exists|File exists/i, 'taken'],
  [/vim\.fault\.ToolsUnavailable|VMware Tools is not running/i, 'tools'],
];

/** `(vim.fault.X) {` at the start of a line: vim-cmd may print it and still exit with 0. */
const FAULT = /^\((?:vim|vmodl)\.fault\.(\w+)\)\s*\{/m;

/** Whether vim-cmd printed a fault. */
export function isFault({ stdout, stderr }: Pick<CommandEnd, 'stdout' | 'stderr'>): boolean {
  return FAULT.test(stdout) || FAULT.test(stderr);
}

/** The error for a command that failed. */
export function esxiError(end: CommandEnd): KibError {
  const { argv, exitCode, place } = end;
  const text = `${end.stderr}\n${end.stdout}`;
  const failure = SIGNS.find(([pattern]) => pattern.test(text))?.[1] ?? 'other';
  const what = argv.slice(0, 2).join(' ');
  const details = { failure, command: argv.slice(0, 2) };
  if (failure === 'full') {
    return new KibError('KIB_ESXI_FULL', `the datastore on ${place} is full: ${said(text)}`, { hint: FULL_HINT, details });
  }
  if (exitCode === 127) {
    return new KibError('KIB_ESXI', `${place} has no ${argv[0]}: is it an ESXi host, and is the login’s shell the ESXi Shell?`, {
      hint: `check with ssh ${place} vim-cmd hostsvc/hostsummary`,
      details,
    });
  }
  return new KibError('KIB_ESXI', `${what} failed on ${place}: ${said(text) || `exit code ${exitCode}`}`, { details });
}

/** The message of a fault, else everything on one line. */
function said(text: string): string {
  const message = /^\s*msg = "(.*)",?\s*$/m.exec(text)?.[1];
  const fault = FAULT.exec(text)?.[1];
  if (message !== undefined && message !== '') return message;
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  return fault === undefined ? lines.slice(-4).join('; ') : fault;
}

export const FULL_HINT =
  'free some space there (bases that no build needs any more are bases/<sha256>.vmdk), or choose another datastore';
