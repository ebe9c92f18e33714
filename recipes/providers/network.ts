import type { Action, RecipeContext } from '../../src/core/index.ts';
import { networkOf } from './targets.ts';

/** Names that the kernel's virtio cards have behind KubeVirt's PCIe ports. */
const CARDS = 'enp*s*';

/**
 * A KubeVirt machine has one virtio card and DHCP, and often no network data at all. Clones of a disk may start with one machine-id, so that
 * leases go by the hardware address (netplan-yaml(5) dhcp-identifier, systemd.network(5) ClientIdentifier, nm-settings(5) ipv4.dhcp-client-id).
 * What cloud-init writes for a card comes first.
 */
export function kubevirtNetwork({ os }: RecipeContext): Action {
  switch (networkOf(os)) {
    case 'netplan':
      return {
        kind: 'file',
        path: '/etc/netplan/51-kib-kubevirt.yaml',
        text: `network:\n  version: 2\n  ethernets:\n    kubevirt:\n      match:\n        name: ${CARDS}\n      dhcp4: true\n      dhcp-identifier: mac\n      optional: true\n`,
        mode: '0600',
      };
    case 'networkd':
      return {
        kind: 'file',
        path: '/etc/systemd/network/51-kib-kubevirt.network',
        text: `[Match]\nName=${CARDS}\n\n[Network]\nDHCP=ipv4\n\n[DHCPv4]\nClientIdentifier=mac\n`,
      };
    case 'NetworkManager':
      return {
        kind: 'file',
        path: '/etc/NetworkManager/conf.d/51-kib-kubevirt.conf',
        text: `[connection-51-kib-kubevirt]\nmatch-device=interface-name:${CARDS}\nipv4.dhcp-client-id=mac\n`,
      };
  }
}
