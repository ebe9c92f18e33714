import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';

/** Compares text with tests/golden/<path>; `npm run golden` rewrites the file instead, and the review shows the difference. */
export function expectGolden(path: string, actual: string): void {
  const file = fileURLToPath(new URL(`../golden/${path}`, import.meta.url));
  if (process.env['UPDATE_GOLDEN'] === '1') {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, actual);
    return;
  }
  expect(actual, `differs from tests/golden/${path}; if the change is meant, run npm run golden`).toBe(
    readFileSync(file, 'utf8'),
  );
}
