import { lines, type Sh, sh } from '../../core/index.ts';

/**
 * Script for the guest right before it is kept as a layer: its disk gets everything that it wrote. Where that disk is all there is of a layer,
 * each machine that boots it must take a machine-id of its own: DHCP clients may go by it (systemd.network(5), ClientIdentifier), so
 * that two machines of one network would get one address. The guest goes on with the one it has, on a mount.
 */
export function settleDisk({ hasMemory }: { readonly hasMemory: boolean }): Sh {
  return hasMemory ? sh`sync` : lines([ownMachineId, sh`sync`]);
}

// An empty file, unlike a missing one, is filled in without calling it a first boot (machine-id(5)).
const ownMachineId = sh`
  if [ -s /etc/machine-id ] && ! mountpoint -q /etc/machine-id; then
    cp -a /etc/machine-id /run/kib-machine-id
    : >/etc/machine-id
    mount --bind /run/kib-machine-id /etc/machine-id
  fi
`;
