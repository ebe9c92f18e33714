/** Where something stands in a file: `packer.json:3:5`. */
export type Place = string;

/** A builder, provisioner or post-processor: its type and settings, variables put in. */
export interface Part {
  readonly type: string;
  readonly name: string | undefined;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly place: Place;
  placeOf(setting: string): Place;
}

/** A template of Packer, JSON or HCL2. */
export interface Template {
  readonly label: string;
  readonly builders: readonly Part[];
  readonly provisioners: readonly Part[];
  readonly postProcessors: readonly Part[];
  /** With their values, those of variable files and the command line included. */
  readonly variables: Readonly<Record<string, unknown>>;
  /** What could not be understood on the way. */
  readonly notes: readonly Note[];
}

/** Something that is not carried over as it was. */
export interface Note {
  readonly place: Place;
  readonly what: string;
  readonly why: string;
}

export function text(value: unknown): string | undefined {
  if (typeof value === 'string') return value === '' ? undefined : value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
}

/** A list of texts, from a list or from one text. */
export function texts(value: unknown): readonly string[] {
  if (Array.isArray(value)) return value.flatMap((entry) => text(entry) ?? []);
  const one = text(value);
  return one === undefined ? [] : [one];
}

export function isTrueText(value: unknown): boolean {
  return value === true || (typeof value === 'string' && /^(true|yes|1)$/i.test(value));
}

/** What only Packer can expand is left in a text. */
export function isWhole(value: string): boolean {
  return !value.includes('{{') && !value.includes('${');
}

export function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Readonly<Record<string, unknown>>) : {};
}
