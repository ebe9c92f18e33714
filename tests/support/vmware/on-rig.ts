import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe } from 'vitest';
import { noVmwareRig, startVmwareRig, type VmwareRig } from './rig.ts';

/** Describes tests that need a rig, with one and a folder of their own; they are skipped where it cannot be had. */
export async function onVmwareRig(tests: (rig: VmwareRig, dir: string) => void): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'kib-vmware-'));
  const rig = noVmwareRig === undefined ? await startVmwareRig(dir) : undefined;
  afterAll(async () => {
    await rig?.[Symbol.asyncDispose]();
    await rm(dir, { recursive: true, force: true });
  });
  const why = noVmwareRig === undefined ? '' : `: ${noVmwareRig}`;
  describe.skipIf(rig === undefined)(`on a vmrun that boots in QEMU${why}`, () => {
    if (rig !== undefined) tests(rig, dir);
  });
}
