import { CommanderError } from 'commander';
import pc from 'picocolors';
import { errorMessage, isKibError, KibError, maskUrls } from '../core/index.ts';
import { type CliIo, wantsColour } from './io.ts';
import { packageVersion } from './version.ts';

/** EX_SOFTWARE of sysexits.h: our own bug. */
const BUG_STATUS = 70;

export interface ReportOptions {
  readonly json?: boolean | undefined;
  /** Show stacks. */
  readonly debug?: boolean | undefined;
  /** Name of the command that was typed. */
  readonly command?: string | undefined;
  /** Whose error it is, where there are several builds; one that never began has no id. */
  readonly of?: { readonly image: string; readonly build: string | undefined };
}

/** The exit status that goes with an error. */
export function statusOf(error: unknown): number {
  return isKibError(error) ? error.exitCode : BUG_STATUS;
}

/** Says what went wrong on standard error and returns the exit status that goes with it. */
export function reportError(thrown: unknown, io: CliIo, options: ReportOptions): number {
  const error = thrown instanceof CommanderError ? usageError(thrown, options) : thrown;
  if (!isKibError(error)) return reportBug(error, io, options);
  if (options.json === true) {
    io.stderr.write(maskUrls(`${JSON.stringify({ error: error.toJSON(), ...options.of })}\n`));
    return error.exitCode;
  }
  const { red, dim, bold } = pc.createColors(wantsColour(io.env, io.stderr));
  const who = options.of === undefined ? '' : `${bold(options.of.image)}: `;
  const lines = [`${who}${red('error')} ${bold(error.code)}: ${error.message}`];
  if (error.hint !== undefined) lines.push(`hint: ${error.hint}`);
  for (const suppressed of error.suppressed) lines.push(`also: ${errorMessage(suppressed)}`);
  if (options.debug === true) lines.push(dim(stackOf(error)));
  io.stderr.write(maskUrls(`${lines.join('\n')}\n`));
  return error.exitCode;
}

/** Commander's messages in our shape: `error: unknown option '--frmat'\n(Did you mean --format?)`. */
function usageError(error: CommanderError, { command }: ReportOptions): KibError {
  const [message = '', ...rest] = error.message.replace(/^error: /, '').split('\n');
  const suggestion = /^\(?(.*?)\)?$/.exec(rest.join(' ').trim())?.[1] ?? '';
  const help = ['kib-native', ...(command === undefined ? [] : [command]), '--help'].join(' ');
  const hint = suggestion === '' ? help : suggestion.charAt(0).toLowerCase() + suggestion.slice(1);
  return new KibError('KIB_USAGE', message, { hint });
}

function reportBug(error: unknown, io: CliIo, { json, of }: ReportOptions): number {
  if (json === true) {
    io.stderr.write(
      `${JSON.stringify({ error: { code: 'BUG', message: errorMessage(error), stack: stackOf(error) }, ...of })}\n`,
    );
    return BUG_STATUS;
  }
  const facts = `kib-native ${packageVersion()}, Node ${process.versions.node}, ${process.platform} ${process.arch}`;
  io.stderr.write(
    [
      `${of === undefined ? '' : `${of.image}: `}error: this is a bug in kib-native: ${errorMessage(error)}`,
      '',
      'Please report it with the command you typed and these lines:',
      `  ${facts}`,
      ...stackOf(error)
        .split('\n')
        .map((line) => `  ${line}`),
      '',
    ].join('\n'),
  );
  return BUG_STATUS;
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const own = error.stack ?? error.message;
  return error.cause === undefined ? own : `${own}\ncaused by ${stackOf(error.cause)}`;
}
