export { type DriverCase, describeDriver, greeted } from './describe-driver.ts';
export type { LayersCase } from './layer-bench.ts';
export type { Remains } from './outcome.ts';
export { MemoryJournal, RecordingSpan, type TestContext, type TestContextOptions, testContext } from './test-context.ts';
export {
  hasTinyGuestWritten,
  TINY_GUEST_BYTES,
  TINY_GUEST_COUNTS,
  TINY_GUEST_LINES,
  TINY_GUEST_LOST,
  type TinyGuestOptions,
  tinyGuest,
  tinyGuestRequest,
  writeTinyGuest,
} from './tiny-guest.ts';
export type { Vitest } from './vitest.ts';
