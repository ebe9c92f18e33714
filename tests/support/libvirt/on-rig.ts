import { afterAll, describe } from 'vitest';
import { type LibvirtRig, noRig, startLibvirtRig } from './rig.ts';

/** Describes tests that need a rig, with one of their own; they are skipped where it cannot be had. */
export async function onLibvirtRig(tests: (rig: LibvirtRig) => void): Promise<void> {
  const rig = noRig === undefined ? await startLibvirtRig() : undefined;
  afterAll(() => rig?.[Symbol.asyncDispose]());
  describe.skipIf(rig === undefined)(`on a real libvirtd${noRig === undefined ? '' : `: ${noRig}`}`, () => {
    if (rig !== undefined) tests(rig);
  });
}
