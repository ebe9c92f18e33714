import type { OsFamily } from '../../core/index.ts';

/** What else is known when a variable is read. */
export interface Reading {
  /** Text of another variable of image-builder, expanded; undefined when it is not given, empty or null. */
  readonly other: (name: string) => string | undefined;
  /** Whether a source that wins over this variable's gives the other one. */
  readonly overruledBy: (name: string) => boolean;
  /** Family of the image's system; undefined when the image names no known one. */
  readonly family: OsFamily | undefined;
  /** Name of the driver that builds. */
  readonly driver: string;
  /** Recipe of the container runtime. */
  readonly runtime: 'containerd' | 'crio';
}

/** What a value means: settings by dotted path, nothing to be done, or why it cannot be taken over. */
export type Converted =
  | { readonly set: Readonly<Record<string, unknown>> }
  | { readonly nothing: true }
  /** Has no meaning here, which is worth a warning. */
  | { readonly warn: string }
  /** Contradicts something, or cannot be spelled here. */
  | { readonly wrong: string; readonly hint?: string };

/** A variable of kubernetes-sigs/image-builder. */
export interface PackerName {
  /** Settings it may stand for, for the documentation; empty where it has no meaning. */
  readonly settings: readonly string[];
  /** One line: its meaning here, or why it has none. */
  readonly note: string;
  /** The one driver that has these settings. */
  readonly driver?: string;
  readonly read: (value: string, reading: Reading) => Converted;
}

export type PackerNames = Readonly<Record<string, PackerName>>;

/** No setting but the command line's own. */
export const OUTPUT_DIR = '--output-dir';

export const NOTHING: Converted = { nothing: true };

/** Stands for one setting; `convert` returns undefined for what cannot be taken over. */
export function to(setting: string, convert: (value: string) => unknown = (value) => value): PackerName {
  return {
    settings: [setting],
    note: '',
    read: (value) => {
      const converted = convert(value);
      return converted === undefined
        ? { wrong: `cannot be turned into ${setting}, got ${JSON.stringify(value)}` }
        : { set: { [setting]: converted } };
    },
  };
}

/** Stands for several settings, or for one together with other variables. */
export function means(note: string, settings: readonly string[], read: PackerName['read']): PackerName {
  return { settings, note, read };
}

/** Only where the image is built by this driver. */
export function onDriver(driver: string, name: PackerName): PackerName {
  return {
    ...name,
    driver,
    read: (value, reading) =>
      reading.driver === driver
        ? name.read(value, reading)
        : { warn: `is of the ${driver} driver; this image uses ${reading.driver}` },
  };
}

/** Has no meaning, whatever its value but `unless`: those say what is so anyway. */
export function none(why: string, unless: readonly string[] = []): PackerName {
  return { settings: [], note: why, read: (value) => (unless.includes(value) ? NOTHING : { warn: why }) };
}

/** Several names that have no meaning for one reason. */
export function noneOf(names: readonly string[], why: string, unless: readonly string[] = []): PackerNames {
  return Object.fromEntries(names.map((name) => [name, none(why, unless)]));
}
