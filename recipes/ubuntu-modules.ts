import { type Action, type Sh, sh } from '../src/core/index.ts';

const INSTALL_TIMEOUT_MS = 900_000;

/** Kernels of Ubuntu's cloud images come without most drivers; those of the same build are in a package apart. `has` succeeds where they are there. */
export function moreModules(what: string, has: Sh): Action {
  return {
    kind: 'exec',
    title: `install ${what}, if the kernel came without`,
    script: sh`
      if ${has}; then exit 0; fi
      export DEBIAN_FRONTEND=noninteractive
      apt-get --yes --quiet -o DPkg::Lock::Timeout=300 -o DPkg::Use-Pty=0 --no-install-recommends install "linux-modules-extra-$(uname -r)"
    `,
    timeoutMs: INSTALL_TIMEOUT_MS,
    attempts: 3,
    packages: true,
  };
}
