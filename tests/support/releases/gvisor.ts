import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { compile } from './go.ts';
import { madeOnce } from './once.ts';

export const GVISOR_VERSION = '20260905.0';
/** Of gVisor's branch for Go, which has what its own build generates. */
const MODULE = 'gvisor.dev/gvisor@v0.0.0-20260905035102-160fafc42237';

/** runsc and its shim for containerd, compiled from Go's module proxy. */
export async function gvisorRelease(): Promise<{ readonly runsc: Buffer; readonly shim: Buffer }> {
  const program = (name: string, path: string) =>
    madeOnce(`${name}-${GVISOR_VERSION}`, async (work) => {
      await compile(work, {
        module: MODULE,
        programs: [path],
        ldflags: `-X gvisor.dev/gvisor/runsc/version.version=release-${GVISOR_VERSION}`,
      });
      renameSync(join(work, path), join(work, `${name}-${GVISOR_VERSION}`));
    });
  return { runsc: await program('runsc', 'runsc'), shim: await program('containerd-shim-runsc-v1', 'shim') };
}
