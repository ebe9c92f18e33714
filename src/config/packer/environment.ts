import { shellWords } from './ansible-vars.ts';

/** What the environment of `make build-…` in image-builder says. */
export interface PackerEnvironment {
  /** Variable files, in order: of PACKER_VAR_FILES, then of PACKER_FLAGS. */
  readonly files: readonly string[];
  /** `name=value` of PACKER_FLAGS. */
  readonly vars: readonly string[];
  /** PKR_VAR_… by name. */
  readonly named: Readonly<Record<string, string>>;
  /** Options of PACKER_FLAGS that are none of variables; a broken text as a whole. */
  readonly ignored: readonly string[];
}

const NAMED = 'PKR_VAR_';

/** Reads PACKER_VAR_FILES, PACKER_FLAGS and PKR_VAR_…. Pure. */
export function packerEnvironment(env: Readonly<Record<string, string | undefined>>): PackerEnvironment {
  const flags = env['PACKER_FLAGS'] ?? '';
  const options = optionsOf(shellWords(flags));
  const of = (name: string) => options.filter((option) => option.name === name).map(({ value }) => value);
  return {
    files: [...(env['PACKER_VAR_FILES'] ?? '').split(/\s+/).filter((name) => name !== ''), ...of('var-file')],
    vars: of('var'),
    named: Object.fromEntries(
      Object.entries(env).flatMap(([name, value]) =>
        name.startsWith(NAMED) && value !== undefined ? [[name.slice(NAMED.length), value] as const] : [],
      ),
    ),
    ignored: options.filter(({ name }) => name !== 'var' && name !== 'var-file').map(({ text }) => text),
  };
}

interface Option {
  readonly name: string;
  readonly value: string;
  readonly text: string;
}

/** Packer's options have one dash or two, and their value behind = or in the next word. */
function optionsOf(words: readonly string[] | undefined): readonly Option[] {
  if (words === undefined) return [{ name: '', value: '', text: 'a quote that is not closed' }];
  const options: Option[] = [];
  for (let index = 0; index < words.length; index++) {
    const text = words[index] ?? '';
    const match = /^--?(var-file|var)(?:=(.*))?$/s.exec(text);
    if (match?.[1] === undefined) options.push({ name: '', value: '', text });
    else options.push({ name: match[1], value: match[2] ?? words[++index] ?? '', text });
  }
  return options;
}
