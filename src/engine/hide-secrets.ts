import { isKibError, KibError, redactor, type Secret } from '../core/index.ts';

/** The error without the values of secrets, wherever they may stand in it; the same object when it has none. */
export function hideInError(error: unknown, secrets: readonly Secret[]): unknown {
  if (secrets.length === 0) return error;
  const redact = redactor(secrets);
  let isFound = false;
  const hide = (text: string) => {
    const told = redact(text);
    isFound ||= told !== text;
    return told;
  };
  const told = hidden(error, hide, new Set());
  return isFound ? told : error;
}

function hidden(error: unknown, hide: (text: string) => string, above: Set<unknown>): unknown {
  if (!(error instanceof Error) || above.has(error)) return typeof error === 'string' ? hide(error) : error;
  above.add(error);
  const cause = error.cause === undefined ? undefined : hidden(error.cause, hide, above);
  const stack = error.stack === undefined ? undefined : hide(error.stack);
  if (!isKibError(error)) {
    const told = new Error(hide(error.message), cause === undefined ? {} : { cause });
    return Object.assign(told, { name: error.name, ...(stack === undefined ? {} : { stack }) });
  }
  const { code, hint, retryable, details } = error;
  const told = new KibError(code, hide(error.message), {
    retryable,
    hint: hint === undefined ? undefined : hide(hint),
    details: deep(details, hide) as Readonly<Record<string, unknown>>,
    cause,
  });
  told.suppressed.push(...error.suppressed.map((other) => hidden(other, hide, above)));
  return Object.assign(told, stack === undefined ? {} : { stack });
}

function deep(value: unknown, hide: (text: string) => string): unknown {
  if (typeof value === 'string') return hide(value);
  if (Array.isArray(value)) return value.map((item: unknown) => deep(item, hide));
  if (typeof value !== 'object' || value === null || value instanceof Error) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, deep(member, hide)]));
}
