import { defineConfig } from 'vitest/config';

const project = (name: string, timeoutMs: number, options: { serial?: boolean } = {}) => ({
  test: {
    name,
    include: [`tests/${name}/**/*.test.ts`],
    testTimeout: timeoutMs,
    hookTimeout: timeoutMs,
    // Emulated guests starve each other of CPU, so suites that boot run one file at a time.
    ...(options.serial === true ? { fileParallelism: false, pool: 'forks' as const } : {}),
  },
});

export default defineConfig({
  test: {
    projects: [
      project('unit', 10_000),
      project('golden', 10_000),
      project('architecture', 20_000),
      project('integration', 300_000, { serial: true }),
      project('contract', 600_000, { serial: true }),
      project('e2e', 1_800_000, { serial: true }),
    ],
  },
});
