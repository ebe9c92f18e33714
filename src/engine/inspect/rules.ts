import type { Rule } from './rule.ts';
import { accountRules } from './rules-accounts.ts';
import { identityRules } from './rules-identity.ts';
import { traceRules } from './rules-traces.ts';

/** Everything the finished disk is judged by before it is ever booted. */
export const rules: readonly Rule[] = [...accountRules, ...identityRules, ...traceRules];
