import { inspect } from 'node:util';

/** A value that must never be printed: string conversion, JSON and util.inspect all give `***`. */
export class Secret {
  readonly #value: string;
  readonly label: string;

  /** `label` names the secret in messages: `registry password`. */
  constructor(label: string, value: string) {
    this.label = label;
    this.#value = value;
  }

  /** The value itself, for the one place that needs it. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return '***';
  }

  toJSON(): string {
    return '***';
  }

  [inspect.custom](): string {
    return `Secret(${this.label})`;
  }
}

/** Where a secret is kept on this host: an environment variable, a file (its text without the last line feed), or what a command prints. */
export type SecretRef = { readonly env: string } | { readonly file: string } | { readonly command: readonly string[] };

/**
 * A function that replaces every secret's value in a text by `***`, also single lines of values with several (keys), since logs come
 * line by line. Values shorter than 4 characters are left alone.
 */
export function redactor(secrets: readonly Secret[]): (text: string) => string {
  const values = secrets
    .flatMap((secret) => [secret.reveal(), ...secret.reveal().split('\n')])
    .filter((value) => value.length >= 4)
    // A value that holds another one goes first, or its rest would stay.
    .sort((a, b) => b.length - a.length);
  return (text) => values.reduce((out, value) => out.replaceAll(value, '***'), text);
}
