import { inspect } from 'node:util';
import { z } from 'zod';

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

/** Name of a variable as every shell takes it (POSIX XBD 3.235). */
const variableName = z.string().regex(/^[A-Za-z_]\w*$/, 'must be a variable name: letters, digits and _, no digit first');

/** For the parameters of recipes that need a password or key: `z.strictObject({ token: secretRefSchema.describe(…) })`. */
export const secretRefSchema = z.union([
  z.strictObject({ env: variableName.describe('Environment variable of this host') }),
  z.strictObject({ file: z.string().min(1).describe('File of this host; relative to the image file') }),
  z.strictObject({
    command: z
      .array(z.string().min(1))
      .min(1)
      .describe('Program of this host and its arguments; what it prints, without the last line feed'),
  }),
]) satisfies z.ZodType<SecretRef>;

/** Variables for a script, by name. */
export const environmentSchema = z.record(variableName, z.string());

/** The same for secrets. */
export const secretsSchema = z.record(variableName, secretRefSchema);

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
