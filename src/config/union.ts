import type { z } from 'zod';
import { nearest } from './nearest.ts';
import { kindName, show } from './show.ts';

type Issue = z.core.$ZodIssue;

/**
 * Replaces a failed union by the problems of the one alternative the user most likely meant: the one whose members fit best. Where
 * nothing tells them apart, by one issue that names the alternatives. Other issues pass through.
 */
export function flattenUnion(issue: Issue): readonly Issue[] {
  if (issue.code !== 'invalid_union') return [issue];
  return chosenIssues(issue).map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] }));
}

// Paths here are relative to the union.
function chosenIssues(issue: z.core.$ZodIssueInvalidUnion): readonly Issue[] {
  // A discriminated union says so by having no errors: the discriminator itself is wrong.
  if (issue.errors.length === 0) return [discriminatorIssue(issue)];
  const alternatives = issue.errors.map((errors) => errors.flatMap((error) => flattenUnion(error)));
  const fitting = alternatives.filter((errors) => !errors.some(isWrongKind));
  if (fitting.length === 0) return [joinKinds(issue, alternatives)];
  const scored = fitting.map((errors) => ({ errors, score: errors.reduce((sum, error) => sum + weight(error), 0) }));
  const best = Math.min(...scored.map((entry) => entry.score));
  const [first, ...ties] = scored.filter((entry) => entry.score === best);
  if (first !== undefined && ties.length === 0) return first.errors;
  const tied = scored.filter((entry) => entry.score === best).map((entry) => entry.errors);
  if (missingKeys(tied).length === 0) return [custom(issue, `cannot have ${unknownKeys(tied).join(' and ')} together`)];
  return misspelt(fitting) ?? [custom(issue, `must have ${missingKeys(fitting).join(' or ')}`)];
}

function discriminatorIssue(issue: z.core.$ZodIssueInvalidUnion): Issue {
  const { discriminator = '', options = [] } = issue as { discriminator?: string; options?: z.core.util.Primitive[] };
  const input = isObject(issue.input) ? (issue.input as Record<string, unknown>)[discriminator] : undefined;
  return { code: 'invalid_value', values: options, path: [], message: '', input };
}

function custom(issue: Issue, message: string): Issue {
  return { code: 'custom', path: [], message, input: issue.input };
}

// Text where settings are wanted, or the other way round: not the alternative that was meant.
function isWrongKind(error: Issue): boolean {
  return error.path.length === 0 && (error.code === 'invalid_type' || (error.code === 'invalid_value' && isObject(error.input)));
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}

// A missing or unknown member speaks against an alternative far more than a wrong value in a member that belongs to it.
function weight(error: Issue): number {
  if (error.code === 'unrecognized_keys') return 10 * error.keys.length;
  return isMissing(error) ? 10 : 1;
}

function isMissing(error: Issue): boolean {
  return (
    error.path.length === 1 && error.input === undefined && (error.code === 'invalid_type' || error.code === 'invalid_value')
  );
}

function missingKeys(alternatives: readonly (readonly Issue[])[]): readonly string[] {
  return [
    ...new Set(
      alternatives.flatMap((errors) =>
        errors
          .filter(isMissing)
          .slice(0, 1)
          .map((error) => String(error.path[0])),
      ),
    ),
  ];
}

function unknownKeys(alternatives: readonly (readonly Issue[])[]): readonly string[] {
  return [...new Set(alternatives.flat().flatMap((error) => (error.code === 'unrecognized_keys' ? error.keys : [])))];
}

// `shel:` belongs to the alternative that misses `shell`.
function misspelt(alternatives: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  for (const errors of alternatives) {
    const missing = errors.filter(isMissing).map((error) => String(error.path[0]));
    const wrong = unknownKeys([errors]).find((key) => nearest(key, missing) !== undefined);
    if (wrong !== undefined)
      return errors.filter((error) => !isMissing(error) || nearest(wrong, [String(error.path[0])]) === undefined);
  }
  return undefined;
}

function joinKinds(issue: z.core.$ZodIssueInvalidUnion, alternatives: readonly (readonly Issue[])[]): Issue {
  const kinds = alternatives.flatMap((errors) =>
    errors.map((error) => (error.code === 'invalid_type' ? error.expected : undefined)),
  );
  const expected = [...new Set(kinds.filter((kind) => kind !== undefined))];
  const [only] = expected;
  // What is not there at all is of no wrong kind.
  if (only !== undefined && (expected.length === 1 || issue.input === undefined))
    return { code: 'invalid_type', expected: only, path: [], message: '', input: issue.input };
  return custom(issue, `must be ${expected.map((kind) => kindName(kind)).join(' or ')}, got ${show(issue.input)}`);
}
