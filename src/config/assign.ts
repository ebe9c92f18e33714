import { coerceText } from './coerce.ts';
import { nearest } from './nearest.ts';
import { OUTPUT_DIR, PACKER_NAMES } from './packer-names.ts';
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
  /** Names in PACKER_VAR_FILES that mean nothing here: those files hold many. */
  readonly warnings: readonly Problem[];
}

/** Finds the setting each variable stands for and reads its text as that setting's type. Pure. */
export function assignVariables(variables: readonly Variable[], root: RootSchema): Assignments {
  const list: Assignment[] = [];
  const problems: Problem[] = [];
  const warnings: Problem[] = [];
  let outputDir: string | undefined;
  for (const variable of variables) {
    const meaning = meaningOf(variable, root);
    if ('skip' in meaning) {
      if (meaning.skip !== undefined) warnings.push({ path: variable.name, source: variable.source, message: meaning.skip });
    } else if ('problem' in meaning) problems.push(meaning.problem);
    else if (meaning.setting === OUTPUT_DIR) outputDir = String(meaning.value);
    else list.push({ path: meaning.path, value: typed(meaning.value, meaning.path, root), variable });
  }
  return { list, outputDir, problems, warnings };
}

type Meaning =
  | { readonly setting: string; readonly path: readonly string[]; readonly value: unknown }
  | { readonly problem: Problem }
  /** Left out, with the warning that says so. */
  | { readonly skip: string | undefined };

function meaningOf(variable: Variable, root: RootSchema): Meaning {
  const isPackerFile = variable.origin === 'packer-file';
  // `memory` is MiB in Packer's files and a size of ours everywhere else.
  const packer = isPackerFile ? packerMeaning(variable, root) : undefined;
  if (packer !== undefined) return packer;
  const path = settingPath(variable.name, root);
  if (path !== undefined) return { setting: variable.name, path, value: variable.value };
  return packerMeaning(variable, root) ?? (isPackerFile ? { skip: 'means nothing here' } : unknownVariable(variable, root));
}

function packerMeaning({ name, value, origin, source }: Variable, root: RootSchema): Meaning | undefined {
  const packer = Object.hasOwn(PACKER_NAMES, name) ? PACKER_NAMES[name] : undefined;
  if (packer === undefined) return undefined;
  // Packer's own files declare variables without a value, or by a template that only Packer can expand.
  if (value === null || value === '') return { skip: undefined };
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  const converted = packer.convert === undefined ? text : packer.convert(text);
  const isUsable = converted !== undefined && !converted.includes('{{');
  if (!isUsable && origin === 'packer-file') return { skip: `cannot be taken over from Packer: ${text}` };
  if (!isUsable)
    return { problem: { path: name, source, message: `cannot be turned into ${packer.setting}, got ${JSON.stringify(text)}` } };
  if (packer.setting === OUTPUT_DIR) return { setting: OUTPUT_DIR, path: [], value: converted };
  const path = settingPath(packer.setting, root);
  return path === undefined ? undefined : { setting: packer.setting, path, value: converted };
}

function unknownVariable({ name, origin, source }: Variable, root: RootSchema): Meaning {
  const near = nearest(name, [
    ...settings(root).flatMap(({ path }) => (path.includes('[]') ? [] : [path])),
    ...Object.keys(PACKER_NAMES),
  ]);
  const spelt = near !== undefined && origin === 'env' ? ENV_PREFIX + near.replaceAll('.', '__') : near;
  return {
    problem: {
      path: name,
      source,
      message: 'is no known setting',
      hint: spelt === undefined ? 'kib-native inspect <image> lists the settings' : `did you mean ${spelt}?`,
    },
  };
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
