import type * as vitest from 'vitest';

/** Of each test and hook of the suites: Vitest's own five seconds are no time for machines. */
export const TIMEOUT_MS = 600_000;

/** What the suites need of the module `vitest`. They are given it, since only who runs them has it installed. */
export type Vitest = Pick<typeof vitest, 'afterAll' | 'afterEach' | 'beforeAll' | 'beforeEach' | 'describe' | 'expect' | 'it'>;
