import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { compile } from './go.ts';
import { madeOnce } from './once.ts';

export const CONTAINERD_VERSION = '2.3.4';
const MODULE = 'github.com/containerd/containerd/v2';

/** The archive of a containerd release, its programs compiled from Go's module proxy. */
export async function containerdRelease(): Promise<Buffer> {
  return madeOnce(`containerd-${CONTAINERD_VERSION}-linux-amd64.tar.gz`, async (work) => {
    const names = ['ctr', 'containerd-shim-runc-v2', 'containerd'];
    await compile(join(work, 'bin'), {
      module: `${MODULE}@v${CONTAINERD_VERSION}`,
      programs: names.map((name) => `cmd/${name}`),
      ldflags: `-X ${MODULE}/version.Version=v${CONTAINERD_VERSION}`,
    });
    execFileSync('tar', ['-C', work, '-czf', join(work, `containerd-${CONTAINERD_VERSION}-linux-amd64.tar.gz`), 'bin']);
  });
}
