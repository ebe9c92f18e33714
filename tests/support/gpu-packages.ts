import type { DebSpec } from './deb/repository.ts';

/**
 * A package with the source of a kernel module that does nothing, and DKMS to build it as dh_dkms(1) has it: what packages of GPU drivers are made
 * of, without the driver.
 */
export function dkmsPackage(name: string, module: string): DebSpec {
  const source = `/usr/src/${name}-1.0`;
  return {
    name,
    version: '1.0',
    depends: 'dkms',
    files: {
      [`${source}/dkms.conf`]: `PACKAGE_NAME="${name}"
PACKAGE_VERSION="1.0"
BUILT_MODULE_NAME[0]="${module}"
DEST_MODULE_LOCATION[0]="/updates/dkms"
AUTOINSTALL="yes"
`,
      [`${source}/Makefile`]: `obj-m := ${module}.o\n`,
      [`${source}/${module}.c`]: `#include <linux/module.h>
static int __init start(void) { return 0; }
static void __exit stop(void) {}
module_init(start);
module_exit(stop);
MODULE_DESCRIPTION("for a test");
MODULE_LICENSE("GPL");
`,
    },
    postinst: `/usr/lib/dkms/common.postinst ${name} 1.0 /usr/share/${name} "" "\${2-}"`,
  };
}

/** Where the stand-in for NVIDIA's runtime says that it was called. */
export const NVIDIA_LOG = '/run/nvidia-container-runtime.log';

/** NVIDIA's runtime prepares a container and then has the first of runc and crun on its search path start it; here nothing is prepared. */
export const TOOLKIT: DebSpec = {
  name: 'nvidia-container-toolkit',
  version: '1.17.8-1',
  files: {
    '/usr/bin/nvidia-ctk': '#!/bin/sh\necho "NVIDIA Container Toolkit CLI version 1.17.8 (a stand-in)"\n',
    '/usr/bin/nvidia-container-runtime': `#!/bin/sh\necho "$*" >>${NVIDIA_LOG}\nexec runc "$@"\n`,
  },
};
