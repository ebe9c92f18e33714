import type * as vitest from 'vitest';

/** What the suites need of the module `vitest`. They are given it, since only who runs them has it installed. */
export type Vitest = Pick<typeof vitest, 'afterAll' | 'afterEach' | 'beforeAll' | 'beforeEach' | 'describe' | 'expect' | 'it'>;
