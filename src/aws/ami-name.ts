import { KibError } from '../core/index.ts';

export interface NameFacts {
  readonly name: string;
  readonly buildId: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly properties: Readonly<Record<string, string>>;
}

/** What RegisterImage and CreateImage take for a name. */
const NAME = /^[A-Za-z0-9()[\] ./\-'@_]{3,128}$/;

/** A name or description with its words filled in. Throws KIB_DRIVER_CANNOT for a word that nobody knows. */
export function fillIn(template: string, { name, buildId, now, properties }: NameFacts): string {
  const words: Readonly<Record<string, string>> = { ...properties, name, build: buildId, timestamp: timestamp(now) };
  return template.replaceAll(/\{(\w+)\}/g, (whole, word: string) => {
    const value = words[word];
    if (value !== undefined) return value;
    throw new KibError('KIB_DRIVER_CANNOT', `the AMI’s name or description has ${whole}, which means nothing`, {
      hint: `known are ${Object.keys(words).toSorted().join(', ')}`,
    });
  });
}

/** The name of an AMI. Throws KIB_DRIVER_CANNOT when EC2 would not take it; characters that it does not take become `-`. */
export function amiName(template: string, facts: NameFacts): string {
  const name = fillIn(template, facts).replaceAll(/[^A-Za-z0-9()[\] ./\-'@_]/g, '-');
  if (NAME.test(name)) return name;
  throw new KibError('KIB_DRIVER_CANNOT', `an AMI’s name has 3 to 128 characters, got ${name.length}: ${name}`, {
    hint: 'set ami.name of the driver',
  });
}

function timestamp(now: number): string {
  return new Date(now)
    .toISOString()
    .replace(/\.\d+Z$/, 'Z')
    .replaceAll(/[-:]/g, '');
}
