/** Why a test that takes many minutes is left out, or undefined: `KIB_TEST_LONG=1 npm test` runs those too. */
export const tooLong: string | undefined =
  process.env['KIB_TEST_LONG'] === '1' ? undefined : 'SKIPPED: it takes many minutes; KIB_TEST_LONG=1 runs it';
