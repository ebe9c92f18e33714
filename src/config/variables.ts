import { dirname, resolve } from 'node:path';
import { type ConfigDocument, parseConfig } from './document.ts';
import type { Problem } from './problem.ts';
import { fileProblem, readSource } from './source-file.ts';

/** Where variables come from, lowest precedence first; schema defaults and the image file are lower still, flags of their own higher. */
export type VariableOrigin = 'packer-file' | 'env' | 'var-file' | 'var' | 'flag';

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
  /** Lowest precedence first: PACKER_VAR_FILES, KIB_VAR_*, --var-file, --var, flags. */
  readonly list: readonly Variable[];
  readonly problems: readonly Problem[];
}

export const ENV_PREFIX = 'KIB_VAR_';

/** Reads every source. Nothing is thrown for what a user wrote wrong: problems say it, each with its source. */
export async function readVariables(sources: VariableSources): Promise<Variables> {
  const { env, cwd } = sources;
  const packerFiles = (env['PACKER_VAR_FILES'] ?? '').split(/\s+/).filter((name) => name !== '');
  const read = [
    ...(await Promise.all(packerFiles.map((name) => readVarFile(name, 'packer-file', cwd)))),
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
  return { list: read.flatMap((part) => part.list), problems: read.flatMap((part) => part.problems) };
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

function fromOption(text: string, cwd: string): Variables {
  const equals = text.indexOf('=');
  if (equals < 1) {
    return { list: [], problems: [{ path: '', source: `--var ${text}`, message: 'must look like name=value' }] };
  }
  const name = text.slice(0, equals).trim();
  return { list: [{ origin: 'var', name, value: text.slice(equals + 1), source: `--var ${name}`, dir: cwd }], problems: [] };
}

async function readVarFile(label: string, origin: VariableOrigin, cwd: string): Promise<Variables> {
  const path = resolve(cwd, label);
  const read = await readSource(path, label);
  if ('problem' in read) return { list: [], problems: [read.problem] };
  const document = parseConfig(read.text, label);
  if (document.problems.length > 0) return { list: [], problems: document.problems };
  if (document.value === null) return { list: [], problems: [] };
  if (!isSettings(document.value)) {
    return { list: [], problems: [fileProblem(document.locate([], 'value'), 'must hold names and values')] };
  }
  return { list: flatten(document, document.value, [], origin, dirname(path)), problems: [] };
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
