import type { z } from 'zod';
import { Secret, secretRefSchema } from '../core/index.ts';
import { definition, type Schema, schemasAt, unwrap } from './walk.ts';

type Issue = z.core.$ZodIssue;

/** Stands for a value that nobody may see. */
const HIDDEN = new Secret('value of a setting', '');

/**
 * The issue without what was given where a setting says where a secret is kept: people put the secret itself there. `above` is the path that the
 * issue's own begins at.
 */
export function hideSecrets(issue: Issue, root: Schema, above: readonly PropertyKey[] = []): Issue {
  const path = [...above, ...issue.path];
  // The name of a secret is none itself.
  const isShown = issue.input === undefined || issue.code === 'invalid_key' || !isSecret(path, root);
  const shown = isShown ? issue : ({ ...issue, input: HIDDEN } as Issue);
  if (shown.code !== 'invalid_union') return shown;
  return { ...shown, errors: shown.errors.map((errors) => errors.map((error) => hideSecrets(error, root, path))) } as Issue;
}

function isSecret(path: readonly PropertyKey[], root: Schema): boolean {
  return path.some((_, index) => schemasAt(root, path.slice(0, index + 1)).some(namesSecret));
}

// A schema with another description is another object of the same definition.
function namesSecret(schema: Schema): boolean {
  const def = definition(unwrap(schema));
  if (def === definition(secretRefSchema)) return true;
  return def.type === 'union' && def.options.some(namesSecret);
}
