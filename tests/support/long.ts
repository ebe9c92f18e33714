/**
 * Whether a test that boots machines for minutes is left out, after saying so: all of them together take more than an hour under emulation.
 * `KIB_TEST_LONG=1 npm test` runs every one.
 */
export function isLeftOut(what: string): boolean {
  if (process.env['KIB_TEST_LONG'] === '1') return false;
  console.warn(`SKIPPED: ${what}; it takes minutes, KIB_TEST_LONG=1 runs it`);
  return true;
}
