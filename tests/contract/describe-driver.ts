import * as vitest from 'vitest';
import { type DriverCase, describeDriver as describeWith } from '../../src/testing/describe-driver.ts';

export { greeted } from '../../src/testing/describe-driver.ts';

/** The suite that other authors of drivers run, too. */
export function describeDriver<O>(the: DriverCase<O>): void {
  describeWith(vitest, the);
}
