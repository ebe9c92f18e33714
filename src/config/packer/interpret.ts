import type { OsFamily } from '../../core/index.ts';
import type { Variable } from '../variables.ts';
import { ANSIBLE_BUNDLES } from './ansible.ts';
import { plain, readAnsibleVars } from './ansible-vars.ts';
import { expandTemplate } from './expand.ts';
import { type Converted, NOTHING, type PackerName, type Reading } from './name.ts';
import { PACKER_NAMES } from './names.ts';

/** What variables are read for. */
export interface Target {
  readonly family: OsFamily | undefined;
  readonly driver: string;
  readonly runtime: 'containerd' | 'crio';
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** A variable of image-builder and what it means for this image. */
export interface Interpreted {
  readonly variable: Variable;
  readonly meaning: Converted;
}

/** Reads one variable with all others in view. `all` is in order of precedence, the last one of a name counts. */
export type Interpreter = (variable: Variable) => readonly Interpreted[];

export function isPackerName(name: string): boolean {
  return Object.hasOwn(PACKER_NAMES, name);
}

/** Variables whose values are lists of variables, taken apart; the others as they are. */
export function unbundle(variables: readonly Variable[]): readonly Variable[] {
  return variables.flatMap((variable) => {
    if (!ANSIBLE_BUNDLES.some((name) => name === variable.name)) return [variable];
    const text = plain(variable.value);
    const pairs = readAnsibleVars(text);
    if (pairs === undefined) return [variable];
    return pairs.map(([name, value]): Variable => ({ ...variable, name, value, inBundle: variable.name }));
  });
}

export function packerInterpreter(all: readonly Variable[], target: Target): Interpreter {
  const values = new Map(all.map((variable) => [variable.name, plain(variable.value)]));
  const expanded = (text: string) => expandTemplate(text, (name) => values.get(name), target.env);
  const reading: Omit<Reading, 'overruledBy'> = {
    family: target.family,
    driver: target.driver,
    runtime: target.runtime,
    other: (name) => {
      const text = values.get(name);
      return text === undefined ? undefined : expanded(text) || undefined;
    },
  };
  return (variable) => {
    const overruledBy = (other: string) => {
      const last = all.findLastIndex((candidate) => candidate.name === other);
      return last > all.indexOf(variable) && sourceOf(all[last]) !== sourceOf(variable);
    };
    const read = (known: PackerName, value: string) => known.read(value, { ...reading, overruledBy });
    const name = isPackerName(variable.name) ? PACKER_NAMES[variable.name] : undefined;
    if (name === undefined) return [];
    const text = plain(variable.value);
    // Image-builder's own files declare variables without a value.
    if (text.trim() === '') return [{ variable, meaning: NOTHING }];
    const value = expanded(text);
    if (value === undefined) {
      const meaning: Converted =
        name.settings.length === 0 ? read(name, text) : { warn: `holds a template that only Packer expands: ${text}` };
      return [{ variable, meaning }];
    }
    return [{ variable, meaning: value.trim() === '' ? NOTHING : read(name, value) }];
  };
}

/** File, option or environment variable, without the place in it. */
function sourceOf(variable: Variable | undefined): string {
  return `${variable?.origin} ${variable?.source.replace(/:\d+:\d+$/, '')}`;
}

/** Names that values of others ask for: variables of the user's own. */
export function usedNames(all: readonly Variable[]): ReadonlySet<string> {
  const texts = all.map(({ value }) => plain(value));
  return new Set(texts.flatMap((text) => [...text.matchAll(/\{\{[^}]*user\s+[`"]([^`"]+)[`"]/g)].map((match) => match[1] ?? '')));
}
