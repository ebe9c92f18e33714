import type { z } from 'zod';
import { hideSecrets } from './hide-secrets.ts';
import { didYouMean, nearest } from './nearest.ts';
import type { Problem } from './problem.ts';
import { kindName, show } from './show.ts';
import { flattenUnion } from './union.ts';
import { keysOf, type Schema, schemasAt } from './walk.ts';

type Issue = z.core.$ZodIssue;

/** Where a part of the configuration was given: `node.yaml:3:5`, `--var kubernetes.version`. */
export type Locate = (path: readonly PropertyKey[], part: 'key' | 'value') => string;

/** Turns zod's issues into problems that say what was wanted, what was got, where, and what was probably meant. */
export function reportIssues(issues: readonly Issue[], root: Schema, locate: Locate): readonly Problem[] {
  return issues
    .map((issue) => hideSecrets(issue, root))
    .flatMap(flattenUnion)
    .filter(isNews)
    .flatMap((issue) => {
      if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownSetting([...issue.path, key], root, locate));
      const { message, hint } = describe(issue);
      return [{ path: dotted(issue.path), message, hint, source: locate(issue.path, 'value') }];
    });
}

// Every whole number is bounded by what doubles hold; that bound only speaks where the setting has none of its own.
function isNews(issue: Issue, _: number, all: readonly Issue[]): boolean {
  const isBuiltIn = issue.code === 'too_big' && issue.maximum === Number.MAX_SAFE_INTEGER;
  return !isBuiltIn || all.every((other) => other === issue || dotted(other.path) !== dotted(issue.path));
}

/** `provision[0].shell`. */
export function dotted(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === 'number') return `${text}[${key}]`;
    return text === '' ? String(key) : `${text}.${String(key)}`;
  }, '');
}

function unknownSetting(path: readonly PropertyKey[], root: Schema, locate: Locate): Problem {
  return {
    path: dotted(path),
    message: 'is no known setting',
    hint: hintForUnknown(path, root),
    source: locate(path, 'key'),
  };
}

function hintForUnknown(path: readonly PropertyKey[], root: Schema): string | undefined {
  const key = String(path.at(-1));
  const siblings = keysOf(schemasAt(root, path.slice(0, -1)));
  // It belongs to another alternative: an option of another driver, a member of another kind of base.
  if (siblings.includes(key)) return 'it does not go with what stands beside it';
  const near = nearest(key, siblings);
  if (near !== undefined) return `did you mean ${dotted([...path.slice(0, -1), near])}?`;
  // Right name, wrong place: a recipe at the top level, kubernetes under recipes.
  const parents = [[], ...keysOf([root]).map((parent) => [parent])];
  const elsewhere = parents.find((parent) => keysOf(schemasAt(root, parent)).includes(key));
  if (elsewhere !== undefined) return `did you mean ${dotted([...elsewhere, key])}?`;
  return siblings.length > 0 && siblings.length <= 12 ? `known here: ${siblings.join(', ')}` : undefined;
}

function describe(issue: Issue): { message: string; hint?: string | undefined } {
  const { input } = issue;
  if (issue.code === 'custom') return { message: issue.message };
  if (input === undefined) return { message: 'is required' };
  if (issue.code === 'invalid_key')
    return { message: `${lowerFirst(issue.issues[0]?.message ?? issue.message)}, got ${show(input)}` };
  const got = `, got ${show(input)}`;
  if (issue.code === 'invalid_type') {
    const wantsText = issue.expected === 'string' && (typeof input === 'number' || typeof input === 'boolean');
    return {
      message: `must be ${kindName(issue.expected)}${got}`,
      hint: wantsText ? `put it in quotes: "${String(input)}"` : undefined,
    };
  }
  if (issue.code === 'invalid_value') {
    const values = issue.values.map(String);
    const wanted = values.length === 1 ? values.join('') : `one of ${values.join(', ')}`;
    return { message: `must be ${wanted}${got}`, hint: typeof input === 'string' ? didYouMean(input, values) : undefined };
  }
  if (issue.code === 'too_small')
    return { message: `must be ${limit('at least', issue.minimum, issue)}${amount(input, issue.origin)}` };
  if (issue.code === 'too_big')
    return { message: `must be ${limit('at most', issue.maximum, issue)}${amount(input, issue.origin)}` };
  if (issue.code === 'invalid_format') return { message: `${format(issue)}${got}` };
  return { message: `${lowerFirst(issue.message)}${got}` };
}

function limit(
  words: string,
  bound: number | bigint,
  issue: { readonly origin: string; readonly inclusive?: boolean | undefined },
): string {
  const prefix = issue.inclusive === false ? (words === 'at least' ? 'more than' : 'less than') : words;
  return `${prefix} ${bound}${issue.origin === 'string' ? ' characters' : issue.origin === 'array' ? ' entries' : ''}`;
}

function amount(input: unknown, origin: string): string {
  return `, got ${origin === 'array' && Array.isArray(input) ? input.length : show(input)}`;
}

function format(issue: {
  readonly format: string;
  readonly message: string;
  readonly pattern?: string | undefined;
  readonly prefix?: string;
}): string {
  if (!issue.message.startsWith('Invalid')) return lowerFirst(issue.message);
  if (issue.format === 'url') return 'must be a URL with http:// or https://';
  if (issue.format === 'starts_with') return `must start with ${issue.prefix}`;
  return issue.pattern === undefined ? `must be ${issue.format}` : `must match ${issue.pattern}`;
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
