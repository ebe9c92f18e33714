import { type PrimitiveAction, sh } from '../core/index.ts';

const REBOOT_TIMEOUT_MS = 600_000;

/**
 * Reboots unless the kernel that runs is the one that boots next: on Enterprise and Amazon Linux what grubby(8) names, on Photon what
 * /boot/photon.cfg does, elsewhere the newest, which GRUB's menu begins with (grub-mkconfig sorts by version).
 */
export const rebootIntoNewKernel: PrimitiveAction = {
  kind: 'reboot',
  title: 'reboot into the new kernel',
  timeoutMs: REBOOT_TIMEOUT_MS,
  unless: sh`
    next=
    if command -v grubby >/dev/null; then next=$(grubby --default-kernel)
    elif [ -e /boot/photon.cfg ]; then next=$(sed -n 's/^photon_linux=//p' /boot/photon.cfg)
    fi
    if [ -z "$next" ]; then
      next=$(find /boot -maxdepth 1 -name 'vmlinuz-*' ! -name '*rescue*' | sort -V | tail -n 1)
    fi
    [ "\${next##*vmlinuz-}" = "$(uname -r)" ]
  `,
};
