import { coerceText } from './coerce.ts';
import { nearest } from './nearest.ts';
import type { Interpreted, Interpreter, Target } from './packer/interpret.ts';
import { isPackerName, packerInterpreter, unbundle, usedNames } from './packer/interpret.ts';
import { OUTPUT_DIR } from './packer/name.ts';
import { PACKER_NAMES } from './packer/names.ts';
import type { Problem } from './problem.ts';
import type { RootSchema } from './schema.ts';
import { settings } from './settings.ts';
import { ENV_PREFIX, type Variable } from './variables.ts';
import { branches, definition, member, type Schema, schemasAt } from './walk.ts';

/** A variable whose setting is known. */
export interface Assignment {
  readonly path: readonly string[];
  readonly value: unknown;
  readonly variable: Variable;
}

export interface Assignments {
  /** Lowest precedence first. */
  readonly list: readonly Assignment[];
  /** The last --output-dir given by a Packer name. */
  readonly outputDir: string | undefined;
  readonly problems: readonly Problem[];
  /** Names of image-builder that have no meaning here, each with the reason. */
  readonly warnings: readonly Problem[];
}

/**
 * Finds the settings each variable stands for and reads its text as their type. Pure. A name may mean several settings, and several names
 * one; what contradicts itself is a problem, what has no meaning here a warning that says why.
 */
export function assignVariables(variables: readonly Variable[], root: RootSchema, target: Target): Assignments {
  const all = unbundle(variables);
  // Values may name variables of the user's own.
  const packer = all.filter((variable) => variable.dialect === 'packer' || isPackers(variable, root));
  const interpret = packerInterpreter(packer, target);
  const used = usedNames(packer);
  const found = all.flatMap((variable) => meaningsOf(variable, root, interpret, used));
  const settings = found.filter((meaning) => 'path' in meaning);
  return {
    list: settings
      .filter(({ setting }) => setting !== OUTPUT_DIR)
      .map(({ path, value, variable }) => ({ path, value, variable })),
    outputDir: lastText(settings.findLast(({ setting }) => setting === OUTPUT_DIR)?.value),
    problems: [...found.flatMap((meaning) => ('problem' in meaning ? [meaning.problem] : [])), ...contradictions(settings)],
    warnings: found.flatMap((meaning) => ('warning' in meaning ? [meaning.warning] : [])),
  };
}

/** A variable that only image-builder knows, or that stands where its meaning counts. */
function isPackers({ name, dialect }: Variable, root: RootSchema): boolean {
  return isPackerName(name) && (dialect === 'packer' || settingPath(name, root) === undefined);
}

interface Assigned {
  readonly setting: string;
  readonly path: readonly string[];
  readonly value: unknown;
  readonly variable: Variable;
}

type Meaning = Assigned | { readonly problem: Problem } | { readonly warning: Problem };

function meaningsOf(variable: Variable, root: RootSchema, interpret: Interpreter, used: ReadonlySet<string>): readonly Meaning[] {
  if (isPackers(variable, root)) return interpret(variable).flatMap((interpreted) => fromPacker(interpreted, root));
  const path = variable.dialect === 'packer' ? undefined : settingPath(variable.name, root);
  if (path !== undefined) {
    return [{ setting: variable.name, path, value: typed(variable.value, path, root), variable }];
  }
  const ours = settingPath(variable.name, root);
  if (ours !== undefined) return [{ setting: variable.name, path: ours, value: typed(variable.value, ours, root), variable }];
  if (used.has(variable.name)) return [];
  return [unknownVariable(variable, root)];
}

function fromPacker({ variable, meaning }: Interpreted, root: RootSchema): readonly Meaning[] {
  const { name, source, inBundle } = variable;
  const where = { path: name, source: inBundle === undefined ? source : `${source} (${inBundle})` };
  if ('nothing' in meaning) return [];
  if ('warn' in meaning) return [{ warning: { ...where, message: meaning.warn } }];
  if ('wrong' in meaning) {
    return [{ problem: { ...where, message: meaning.wrong, ...(meaning.hint === undefined ? {} : { hint: meaning.hint }) } }];
  }
  return Object.entries(meaning.set).map(([setting, value]): Meaning => {
    if (setting === OUTPUT_DIR) return { setting, path: [], value, variable };
    const path = settingPath(setting, root);
    if (path === undefined) return { warning: { ...where, message: `needs ${setting}, which there is not` } };
    return { setting, path, value, variable };
  });
}

/** Two names of one source that ask for different values of a setting. */
function contradictions(assigned: readonly Assigned[]): readonly Problem[] {
  return assigned.flatMap(({ setting, value, variable }, index) => {
    const other = assigned
      .slice(0, index)
      .findLast((earlier) => earlier.setting === setting && earlier.variable.origin === variable.origin);
    const isSame =
      other === undefined || other.variable.name === variable.name || JSON.stringify(other.value) === JSON.stringify(value);
    if (isSame || !isPackerName(variable.name) || !isPackerName(other.variable.name)) return [];
    const message = `sets ${setting} to ${JSON.stringify(value)}, but ${other.variable.name} (${other.variable.source}) sets it to ${JSON.stringify(other.value)}`;
    return [{ path: variable.name, source: variable.source, message }];
  });
}

function unknownVariable({ name, origin, source, dialect, inBundle }: Variable, root: RootSchema): Meaning {
  if (inBundle !== undefined) {
    const message = 'is a variable of Ansible roles, which are not run';
    return { warning: { path: name, source: `${source} (${inBundle})`, message } };
  }
  // The environment is everybody's.
  if (origin === 'packer-env') return { warning: { path: name, source, message: 'is no variable of image-builder' } };
  const ours = settings(root).flatMap(({ path }) => (path.includes('[]') ? [] : [path]));
  const theirs = Object.keys(PACKER_NAMES);
  const near = nearest(name, dialect === 'packer' ? [...theirs, ...ours] : [...ours, ...theirs]);
  const spelt = near !== undefined && origin === 'env' ? ENV_PREFIX + near.replaceAll('.', '__') : near;
  return {
    problem: {
      path: name,
      source,
      message: dialect === 'packer' ? 'is no variable of image-builder and no setting' : 'is no known setting',
      hint: spelt === undefined ? 'kib-native inspect <image> lists the settings' : `did you mean ${spelt}?`,
    },
  };
}

function lastText(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** The members a dotted name leads to, or undefined. Lists have no named members; the keys of a map may hold dots themselves. */
function settingPath(name: string, root: RootSchema): readonly string[] | undefined {
  const path: string[] = [];
  let at: readonly Schema[] = [root];
  const segments = name.split('.');
  for (const [index, segment] of segments.entries()) {
    const options = at.flatMap(branches).filter((schema) => definition(schema).type !== 'array');
    const key = spellings(segment).find((spelling) => options.some((schema) => member(schema, spelling).length > 0));
    if (key === undefined || key === '__proto__') return undefined;
    const isMap = options.every((schema) => definition(schema).type !== 'object');
    if (isMap) return [...path, segments.slice(index).join('.')];
    path.push(key);
    at = options.flatMap((schema) => member(schema, key));
  }
  return path;
}

// Environment variables cannot spell a hyphen: KIB_VAR_recipes__guest_agent__…
function spellings(segment: string): readonly string[] {
  return [segment, segment.replaceAll('_', '-')];
}

function typed(value: unknown, path: readonly string[], root: RootSchema): unknown {
  return typeof value === 'string' ? coerceText(value, schemasAt(root, path)) : value;
}
