import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Linters are tests, so that `npm test` is the only gate to learn. */
const TOOLS: Readonly<Record<string, readonly string[]>> = {
  'types (tsc)': ['typescript/bin/tsc', '-p', 'tsconfig.json'],
  'lint (oxlint, type-aware)': ['oxlint/bin/oxlint', '--type-aware', '--deny-warnings'],
  'format (Biome)': ['@biomejs/biome/bin/biome', 'check', '.'],
  'no unused files or dependencies (knip)': ['knip/bin/knip.js', '--include', 'files,dependencies,unlisted,unresolved'],
  'package (publint)': ['publint/src/cli.js', '--pack', 'false', '--strict'],
};

describe('code quality', () => {
  for (const [name, [script = '', ...args]] of Object.entries(TOOLS)) {
    it(name, async () => {
      const result = await promisify(execFile)(process.execPath, [`${root}node_modules/${script}`, ...args], { cwd: root }).catch(
        (error: { stdout: string; stderr: string }) => error,
      );
      expect('code' in result ? `${result.stdout}${result.stderr}` : '').toBe('');
    }, 60_000);
  }
});
