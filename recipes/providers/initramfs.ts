import { type Action, type Arch, type Check, type OsDefinition, type RecipeContext, type Sh, sh } from '../../src/core/index.ts';
import { type Target, usesDracut } from './targets.ts';

const REBUILD_TIMEOUT_MS = 1_800_000;
const LIST_TIMEOUT_MS = 600_000;

interface Drivers {
  /** Put in where the kernel has them; names of the files. */
  readonly wanted: readonly string[];
  /** Without these the root disk, or on EC2 the only network card, would not be found. */
  readonly needed: readonly string[];
}

const VIRTIO: Drivers = {
  wanted: ['virtio_pci', 'virtio_blk', 'virtio_scsi', 'virtio_net', 'ahci', 'sd_mod', 'nvme'],
  needed: ['virtio_blk', 'virtio_scsi'],
};

/** Of the machine types that each hypervisor or cloud offers. */
const DRIVERS: Readonly<Record<Target, Drivers>> = {
  qemu: VIRTIO,
  kubevirt: VIRTIO,
  raw: VIRTIO,
  vmware: { wanted: ['vmw_pvscsi', 'vmxnet3', 'mptspi', 'ahci', 'sd_mod', 'nvme'], needed: ['vmw_pvscsi'] },
  aws: { wanted: ['nvme', 'ena', 'xen-blkfront', 'xen-netfront'], needed: ['nvme', 'ena'] },
  gcp: { wanted: ['virtio_scsi', 'virtio_net', 'sd_mod', 'nvme', 'gve'], needed: ['virtio_scsi', 'nvme'] },
};

/** Drivers that arm64 kernels do not have; machines for them have none of these devices. */
const X86_ONLY = ['vmw_pvscsi', 'mptspi', 'xen-blkfront', 'xen-netfront'];

function driversOf(targets: readonly Target[], arch: Arch, kind: keyof Drivers): readonly string[] {
  const names = targets.flatMap((target) => DRIVERS[target][kind]);
  return [...new Set(names)].filter((name) => arch === 'amd64' || !X86_ONLY.includes(name));
}

/**
 * The image boots on other machines than the one it is made on, so its initial RAM disk holds their drivers too, now and with every later kernel.
 * It is made anew only where it lacks one, which takes a minute.
 */
export function initramfsActions({ os, arch }: RecipeContext, targets: readonly Target[]): readonly Action[] {
  const wanted = driversOf(targets, arch, 'wanted');
  const missing = missingDrivers(os, driversOf(targets, arch, 'needed'));
  if (usesDracut(os)) {
    return [
      // dracut.conf(5): what add_drivers names and the kernel lacks is skipped.
      {
        kind: 'file',
        path: '/etc/dracut.conf.d/90-kib-drivers.conf',
        text: `hostonly="no"\nadd_drivers+=" ${wanted.join(' ')} "\n`,
      },
      {
        kind: 'exec',
        title: 'put the drivers of other machines into the initial RAM disk',
        script: sh`
          if [ -z "$(${missing})" ]; then exit 0; fi
          ${remakeInitramfs(os)}
        `,
        timeoutMs: REBUILD_TIMEOUT_MS,
      },
    ];
  }
  return [
    { kind: 'file', path: '/etc/initramfs-tools/hooks/kib-drivers', text: hookText(wanted), mode: '0755' },
    {
      kind: 'exec',
      title: 'put the drivers of other machines into the initial RAM disk',
      script: sh`
        if [ -z "$(${missing})" ]; then exit 0; fi
        ${remakeInitramfs(os)}
      `,
      timeoutMs: REBUILD_TIMEOUT_MS,
    },
  ];
}

/** Makes the initial RAM disk of every kernel anew. */
export function remakeInitramfs(os: OsDefinition): Sh {
  if (!usesDracut(os)) return sh`update-initramfs -u -k all`;
  return sh`
    for modules in /lib/modules/*; do
      kernel=\${modules##*/}
      for image in "/boot/initramfs-$kernel.img" "/boot/initrd.img-$kernel"; do
        if [ -f "$image" ]; then dracut --force "$image" "$kernel"; fi
      done
    done
  `;
}

/** initramfs-tools(7): a hook that adds modules without having them loaded. */
function hookText(drivers: readonly string[]): string {
  return `#!/bin/sh
set -e
if [ "\${1:-}" = prereqs ]; then exit 0; fi
. /usr/share/initramfs-tools/hook-functions
manual_add_modules ${drivers.join(' ')}
`;
}

/** Prints the initial RAM disks that hold a kernel module. */
export function initramfsWith(os: OsDefinition, module: string): Sh {
  return sh`
    for image in /boot/initramfs-*.img /boot/initrd.img-*; do
      [ -f "$image" ] || continue
      if ${usesDracut(os) ? 'lsinitrd' : 'lsinitramfs'} "$image" | grep ${`/${module}\\.ko`} >/dev/null; then echo "$image"; fi
    done
  `;
}

export function initramfsCheck({ os, arch }: RecipeContext, targets: readonly Target[]): Check {
  const needed = driversOf(targets, arch, 'needed');
  return {
    name: 'providers/drivers',
    title: `the initial RAM disk has ${needed.join(', ')}`,
    script: missingDrivers(os, needed),
    expect: { kind: 'equals', text: '' },
    when: ['build'],
    timeoutMs: LIST_TIMEOUT_MS,
  };
}

/** Prints each kernel and driver that is neither built in nor in its initial RAM disk. */
function missingDrivers(os: OsDefinition, drivers: readonly string[]): Sh {
  return sh`
    for modules in /lib/modules/*; do
      kernel=\${modules##*/}
      for image in "/boot/initramfs-$kernel.img" "/boot/initrd.img-$kernel"; do
        [ -f "$image" ] || continue
        content=$(${usesDracut(os) ? 'lsinitrd' : 'lsinitramfs'} "$image")
        for driver in ${drivers}; do
          if grep -q "/$driver\.ko" "$modules/modules.builtin"; then continue; fi
          printf '%s\n' "$content" | grep -q "/$driver\.ko" || echo "$kernel: $driver"
        done
      done
    done
  `;
}
