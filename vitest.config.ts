import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

// Examples name the package as its users do; here that is its sources.
const alias = [{ find: /^kib-native$/, replacement: fileURLToPath(new URL('src/index.ts', import.meta.url)) }];

const ownFolder = fileURLToPath(new URL('tests/support/own-tmp.ts', import.meta.url));

const project = (name: string, timeoutMs: number, { order = 0, atOnce = 1 } = {}) => ({
  resolve: { alias },
  test: {
    name,
    include: [`tests/${name}/**/*.test.ts`],
    testTimeout: timeoutMs,
    hookTimeout: timeoutMs,
    // Emulated guests starve each other and everything else of CPU: suites that boot come one after the other, whole systems one at a time.
    sequence: { groupOrder: order },
    ...(order > 0 ? { maxWorkers: atOnce, pool: 'forks' as const } : {}),
    ...(atOnce > 1 ? { setupFiles: [ownFolder] } : {}),
  },
});

export default defineConfig({
  test: {
    projects: [
      project('unit', 30_000),
      project('golden', 10_000),
      project('architecture', 20_000),
      project('integration', 300_000, { order: 1, atOnce: 2 }),
      project('contract', 600_000, { order: 2, atOnce: 2 }),
      project('e2e', 1_800_000, { order: 3 }),
    ],
  },
});
