const CALL = /\{\{-?\s*(user|env)\s+[`"]([^`"]+)[`"]\s*-?\}\}/g;

/**
 * Expands what Packer's templates say of other variables and of the environment: "{{user `x`}}" and "{{env `X`}}". Returns undefined where
 * more than that is asked, such as timestamps, or a name leads back to itself.
 */
export function expandTemplate(
  text: string,
  user: (name: string) => string | undefined,
  env: Readonly<Record<string, string | undefined>>,
  seen: readonly string[] = [],
): string | undefined {
  let failed = false;
  const expanded = text.replaceAll(CALL, (_call, kind: string, name: string) => {
    if (kind === 'env') return env[name] ?? '';
    const value = seen.includes(name) ? undefined : user(name);
    const inner = value === undefined ? undefined : expandTemplate(value, user, env, [...seen, name]);
    if (inner === undefined) failed = true;
    return inner ?? '';
  });
  return failed || expanded.includes('{{') ? undefined : expanded;
}
