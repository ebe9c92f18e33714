import { ERROR_CODES, type ErrorClass, type ErrorCode, EXIT_STATUS } from './error-codes.ts';

// Symbol.for, so that isKibError holds across two copies of the package in one process.
const BRAND = Symbol.for('kib-native.error');

export interface KibErrorOptions {
  /** What to type or change next; one line. */
  readonly hint?: string | undefined;
  readonly cause?: unknown;
  /** Whether trying the same again may help (a dropped connection, never a wrong digest). */
  readonly retryable?: boolean;
  /** Facts for machines: paths, exit codes, last lines. Never a secret. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/**
 * The one error type that leaves the library. `message` says what was wanted and what was got, `hint` the next thing to
 * type; `class` names who must act and fixes `exitCode`. `suppressed` holds errors of the clean-up that followed.
 */
export class KibError extends Error {
  override readonly name = 'KibError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, unknown>>;
  readonly suppressed: unknown[] = [];
  readonly [BRAND] = true;

  constructor(code: ErrorCode, message: string, options: KibErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
    this.retryable = options.retryable ?? false;
    this.details = options.details ?? {};
  }

  get class(): ErrorClass {
    return ERROR_CODES[this.code][0];
  }

  get exitCode(): number {
    return EXIT_STATUS[this.class];
  }

  toJSON(): Record<string, unknown> {
    return {
      code: this.code,
      class: this.class,
      message: this.message,
      hint: this.hint,
      details: this.details,
      cause: this.cause === undefined ? undefined : errorMessage(this.cause),
    };
  }
}

export function isKibError(error: unknown): error is KibError {
  return typeof error === 'object' && error !== null && BRAND in error;
}

/** One problem in an image file, variable or option. Lines and columns count from 1. */
export interface ConfigIssue {
  /** Dotted path of the setting, `kubernetes.version`; empty for the document itself. */
  readonly path: string;
  readonly message: string;
  readonly hint?: string | undefined;
  /** `file.yaml:3:5`, `--var kubernetes.version`, `KIB_VAR_…`: where the value was given. */
  readonly source?: string | undefined;
}

/** All problems of a configuration at once; `issues` is never empty. */
export function configError(issues: readonly ConfigIssue[], code: ErrorCode = 'KIB_CONFIG_INVALID'): KibError {
  const lines = issues.map((issue) => {
    const where = issue.source === undefined ? '' : `${issue.source}: `;
    const hint = issue.hint === undefined ? '' : ` (${issue.hint})`;
    // `--var disk: disk: …` would say it twice.
    const path = issue.path === '' || issue.source?.endsWith(issue.path) === true ? '' : `${issue.path}: `;
    return `${where}${path}${issue.message}${hint}`;
  });
  const [first = ''] = lines;
  const message = lines.length === 1 ? first : `${lines.length} problems:\n${lines.map((line) => `  ${line}`).join('\n')}`;
  return new KibError(code, message, { details: { issues } });
}

/** The build was interrupted; `reason` says by what (`SIGINT`, the caller's abort reason). */
export function cancelled(reason: unknown): KibError {
  if (isKibError(reason)) return reason;
  return new KibError('KIB_CANCELLED', `interrupted: ${errorMessage(reason)}`, { cause: reason });
}

/** The message of anything thrown, one line where it can be. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** `error.code` of a Node system error (`ENOENT`), or undefined. */
export function systemCode(error: unknown): string | undefined {
  const code = typeof error === 'object' && error !== null ? (error as { code?: unknown }).code : undefined;
  return typeof code === 'string' ? code : undefined;
}
