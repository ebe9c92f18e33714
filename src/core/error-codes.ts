/** Every error code: who must act (the exit status follows from it) and what happened. The docs table derives from this. */
export const ERROR_CODES = {
  KIB_USAGE: ['config', 'the command line is wrong'],
  KIB_CONFIG_INVALID: ['config', 'the image file or a variable is wrong'],
  KIB_IMAGE_UNKNOWN: ['config', 'neither a catalog name nor a file'],
  KIB_DRIVER_CANNOT: ['config', 'the driver cannot do what the image asks'],
  KIB_BASE_REMOTE: ['config', 'the driver cannot start from a base that only another hypervisor has'],
  KIB_RECIPE_INVALID: ['config', 'recipes that cannot be planned together'],
  KIB_OUTPUT_EXISTS: ['config', 'the output folder already holds an image'],
  KIB_CACHE_MISS: ['config', 'with --cache strict, a layer is not in the cache'],
  KIB_TOOL_MISSING: ['environment', 'a program this host needs is not installed'],
  KIB_QEMU_MISSING: ['environment', 'QEMU for the image’s architecture is not installed'],
  KIB_ACCELERATOR: ['environment', 'the accelerator asked for cannot run a guest here'],
  KIB_FIRMWARE_MISSING: ['environment', 'no firmware descriptor fits the machine'],
  KIB_DISK_FULL: ['environment', 'a host file system is full'],
  KIB_CACHE_CHANGED: ['environment', 'the layer cache was changed under a running build'],
  KIB_HOST_MEMORY: ['environment', 'the host has too little memory for so many builds at once'],
  KIB_HOST_PERMISSION: ['environment', 'a host file or folder cannot be used'],
  KIB_BOOTSTRAP: ['environment', 'the base could not be assembled from the package archive'],
  KIB_INSTALL_FAILED: ['environment', 'host packages could not be installed'],
  KIB_HTTP: ['fetch', 'a download failed'],
  KIB_DIGEST_MISMATCH: ['fetch', 'a file is not the one that was pinned'],
  KIB_CHECKSUM_MISSING: ['fetch', 'a checksum file does not give the file’s digest'],
  KIB_SIGNATURE: ['fetch', 'a signature does not verify against the pinned key'],
  KIB_BASE_INVALID: ['fetch', 'a base image is not what it is said to be'],
  KIB_LOCK_DRIFT: ['fetch', 'with --locked, a package repository is not as the lock file says'],
  KIB_QEMU_EXITED: ['driver', 'QEMU ended unexpectedly'],
  KIB_QMP: ['driver', 'QEMU refused or did not answer a QMP command'],
  KIB_RESUME: ['driver', 'a saved machine could not be continued'],
  KIB_SHUTDOWN: ['driver', 'the machine did not power off'],
  KIB_BOOT_NO_DEVICE: ['guest', 'the firmware found nothing to boot'],
  KIB_BOOT_LOADER: ['guest', 'the boot loader could not go on'],
  KIB_BOOT_PANIC: ['guest', 'the kernel panicked'],
  KIB_BOOT_CPU: ['guest', 'the CPU model lacks what the guest needs'],
  KIB_BOOT_EMERGENCY: ['guest', 'the system went to emergency mode'],
  KIB_BOOT_TIMEOUT: ['guest', 'a boot phase passed its deadline'],
  KIB_BOOT_NO_SSHD: ['guest', 'the system is up but no SSH server answers'],
  KIB_SEED_IGNORED: ['guest', 'the guest did not apply the NoCloud seed'],
  KIB_CLOUDINIT_FAILED: ['guest', 'cloud-init reported an error'],
  KIB_SSH_LOST: ['guest', 'the SSH connection broke and could not be restored'],
  KIB_SSH_AUTH: ['guest', 'the guest refused the login key'],
  KIB_SSH_HOSTKEY: ['guest', 'the guest’s host key is not the pinned one'],
  KIB_TRANSFER: ['guest', 'a file did not arrive whole'],
  KIB_ACTION_FAILED: ['provision', 'an action exited non-zero'],
  KIB_ACTION_TIMEOUT: ['provision', 'an action passed its deadline'],
  KIB_CHECK_FAILED: ['verify', 'the finished image failed a check'],
  KIB_INSPECT: ['verify', 'the finished disk could not be read'],
  KIB_EXPORT: ['export', 'an artifact could not be written'],
  KIB_CANCELLED: ['cancelled', 'the build was interrupted'],
  KIB_LEAKED: ['cleanup', 'something could not be cleaned up'],
} as const satisfies Record<string, readonly [ErrorClass, string]>;

/** Who must act: author of the image, owner of the host, network, hypervisor, base image, recipe author … */
export type ErrorClass =
  | 'config'
  | 'environment'
  | 'fetch'
  | 'driver'
  | 'guest'
  | 'provision'
  | 'verify'
  | 'export'
  | 'cancelled'
  | 'cleanup';

export type ErrorCode = keyof typeof ERROR_CODES;

/** Process exit status of each class; 70 (EX_SOFTWARE, sysexits.h) is kept for our own bugs. */
export const EXIT_STATUS: Record<ErrorClass, number> = {
  config: 2,
  environment: 3,
  fetch: 4,
  driver: 5,
  guest: 6,
  provision: 7,
  verify: 8,
  export: 9,
  cleanup: 10,
  cancelled: 130,
};
