import { dirname, resolve } from 'node:path';
import { imageSchema } from '../core/index.ts';
import { type ConfigDocument, parseConfig } from './document.ts';
import { type PackerEnvironment, packerEnvironment } from './packer/environment.ts';
import { isPackerName } from './packer/interpret.ts';
import { parseHclVariables } from './packer/var-file.ts';
import type { Problem } from './problem.ts';
import { fileProblem, readSource } from './source-file.ts';

/** Where variables come from, lowest precedence first; schema defaults and the image file are lower still, flags of their own higher. */
export type VariableOrigin = 'packer-env' | 'packer-file' | 'env' | 'var-file' | 'var' | 'flag';

/** A name and its value as given; what it means is decided against the schema of each image. */
export interface Variable {
  readonly origin: VariableOrigin;
  /** Dotted path of a setting, or a Packer name. */
  readonly name: string;
  /** Text from the command line and environment; any value from files. */
  readonly value: unknown;
  /** `--var kubernetes.version`, `vars.yaml:2:1`, `KIB_VAR_…`. */
  readonly source: string;
  /** Relative paths in the value start here. */
  readonly dir: string;
  /** Whose meaning a name has that both know: `memory` is MiB in files of Packer and a size everywhere else. Default: kib. */
  readonly dialect?: 'kib' | 'packer';
  /** The variable of Packer whose value this one is part of. */
  readonly inBundle?: string;
}

export interface VariableSources {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** In the order of the command line. */
  readonly varFiles: readonly string[];
  /** `name=value`, in the order of the command line. */
  readonly vars: readonly string[];
  /** Settings that flags of their own give: `--driver`. */
  readonly flags: readonly { readonly flag: string; readonly setting: string; readonly value: unknown }[];
  readonly cwd: string;
}

export interface Variables {
  /** Lowest precedence first: PKR_VAR_*, PACKER_VAR_FILES, PACKER_FLAGS, KIB_VAR_*, --var-file, --var, flags. */
  readonly list: readonly Variable[];
  readonly problems: readonly Problem[];
  readonly warnings?: readonly Problem[];
}

export const ENV_PREFIX = 'KIB_VAR_';

/** Reads every source. Nothing is thrown for what a user wrote wrong: problems say it, each with its source. */
export async function readVariables(sources: VariableSources): Promise<Variables> {
  const { env, cwd } = sources;
  const packer = packerEnvironment(env);
  const read = [
    fromPackerEnv(packer, cwd),
    ...(await Promise.all(packer.files.map((name) => readVarFile(name, 'packer-file', cwd)))),
    ...packer.vars.map((text) => fromOption(text, cwd, 'PACKER_FLAGS -var')),
    fromEnv(env, cwd),
    ...(await Promise.all(sources.varFiles.map((name) => readVarFile(name, 'var-file', cwd)))),
    ...sources.vars.map((text) => fromOption(text, cwd)),
    {
      list: sources.flags.map(
        (flag): Variable => ({ origin: 'flag', name: flag.setting, value: flag.value, source: flag.flag, dir: cwd }),
      ),
      problems: [],
    },
  ];
  return {
    list: read.flatMap((part) => part.list),
    problems: read.flatMap((part) => part.problems),
    warnings: read.flatMap((part) => ('warnings' in part ? (part.warnings ?? []) : [])),
  };
}

function fromEnv(env: VariableSources['env'], cwd: string): Variables {
  const list = Object.entries(env)
    .filter(([name, value]) => name.startsWith(ENV_PREFIX) && value !== undefined)
    .map(
      ([source, value]): Variable => ({
        origin: 'env',
        name: source.slice(ENV_PREFIX.length).replaceAll('__', '.'),
        value,
        source,
        dir: cwd,
      }),
    );
  return { list, problems: [] };
}

function fromPackerEnv({ named, ignored }: PackerEnvironment, cwd: string): Variables {
  const list = Object.entries(named).map(
    ([name, value]): Variable => ({
      origin: 'packer-env',
      name,
      value,
      source: `PKR_VAR_${name}`,
      dir: cwd,
      dialect: 'packer',
    }),
  );
  const message = `only -var and -var-file count here, not ${ignored.join(' ')}`;
  const problem = { path: '', source: 'PACKER_FLAGS', message, hint: 'give options to kib-native itself' };
  return { list, problems: [], warnings: ignored.length === 0 ? [] : [problem] };
}

function fromOption(text: string, cwd: string, option: '--var' | 'PACKER_FLAGS -var' = '--var'): Variables {
  const equals = text.indexOf('=');
  if (equals < 1) {
    return { list: [], problems: [{ path: '', source: `${option} ${text}`, message: 'must look like name=value' }] };
  }
  const name = text.slice(0, equals).trim();
  const isOurs = option === '--var';
  const variable: Variable = {
    origin: isOurs ? 'var' : 'packer-file',
    name,
    value: text.slice(equals + 1),
    source: `${option} ${name}`,
    dir: cwd,
    dialect: isOurs ? 'kib' : 'packer',
  };
  return { list: [variable], problems: [] };
}

async function readVarFile(label: string, origin: VariableOrigin, cwd: string): Promise<Variables> {
  const path = resolve(cwd, label);
  const read = await readSource(path, label);
  if ('problem' in read) return { list: [], problems: [read.problem] };
  const document = /\.hcl$/i.test(label) ? parseHclVariables(read.text, label) : parseConfig(read.text, label);
  if (document.problems.length > 0) return { list: [], problems: document.problems };
  if (document.value === null) return { list: [], problems: [] };
  if (!isSettings(document.value)) {
    return { list: [], problems: [fileProblem(document.locate([], 'value'), 'must hold names and values')] };
  }
  const list = flatten(document, document.value, [], origin, dirname(path));
  const dialect = origin === 'packer-file' || isPackers(document.value) ? 'packer' : 'kib';
  return { list: list.map((variable) => ({ ...variable, dialect })), problems: [] };
}

/** Whether a file is one of Packer's, whoever names it: flat, with a name that only Packer's variables have. */
function isPackers(value: Readonly<Record<string, unknown>>): boolean {
  const names = Object.keys(value);
  return (
    names.some((name) => isPackerName(name) && !Object.hasOwn(imageSchema.shape, name)) &&
    names.every((name) => !name.includes('.') && !isSettings(value[name]))
  );
}

function flatten(
  document: ConfigDocument,
  value: Readonly<Record<string, unknown>>,
  above: readonly string[],
  origin: VariableOrigin,
  dir: string,
): readonly Variable[] {
  return Object.entries(value).flatMap(([key, member]) => {
    const path = [...above, key];
    // An empty group is a value: `recipes.watchdog: {}` names the recipe.
    if (isSettings(member) && Object.keys(member).length > 0) return flatten(document, member, path, origin, dir);
    return [{ origin, name: path.join('.'), value: member, source: document.locate(path, 'key'), dir }];
  });
}

export function isSettings(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}
