import { z } from 'zod';
import { type Check, defineRecipe, sh } from '../src/core/index.ts';

/**
 * Names of interfaces that network add-ons make: Calico ("Configure NetworkManager" of its troubleshooting page), Cilium, Flannel, and the
 * bridge and ptp plugins.
 */
export const POD_INTERFACES: readonly string[] = [
  'cali*',
  'tunl*',
  'vxlan.calico',
  'vxlan-v6.calico',
  'wireguard.cali',
  'wg-v6.cali',
  'cilium*',
  'lxc*',
  'flannel*',
  'cni*',
  'veth*',
];

const params = z.strictObject({
  interfaces: z
    .array(z.string().regex(/^[\w.*?-]+$/, 'must be a name of an interface, with * and ?'))
    .default([])
    .describe('Interfaces to leave alone besides those of Calico, Cilium, Flannel and the standard plugins'),
});

/**
 * Interfaces and routes of pods belong to the network add-on: NetworkManager would take them for its own, systemd-networkd would remove the
 * routes and rules it did not make (networkd.conf(5)), udev would change hardware addresses that Flannel and Cilium have written down
 * (systemd.link(5), MACAddressPolicy). Each file is read by its program only, so all of them are on every system.
 */
export const networkManager = defineRecipe({
  name: 'network-manager',
  summary: 'NetworkManager, systemd-networkd and udev leave the interfaces of pods alone',
  params,
  after: ['cni'],
  steps: (_context, { interfaces }) => {
    const names = [...POD_INTERFACES, ...interfaces];
    return [
      {
        kind: 'file',
        path: '/etc/NetworkManager/conf.d/90-kib-cni.conf',
        text: `[keyfile]\nunmanaged-devices=${names.map((name) => `interface-name:${name}`).join(';')}\n`,
      },
      {
        kind: 'file',
        path: '/etc/systemd/networkd.conf.d/10-kib-cni.conf',
        text: '[Network]\nManageForeignRoutes=no\nManageForeignRoutingPolicyRules=no\n',
      },
      {
        kind: 'file',
        path: '/etc/systemd/network/05-kib-cni.network',
        text: `[Match]\nName=${names.join(' ')}\n\n[Link]\nUnmanaged=yes\n`,
      },
      {
        kind: 'file',
        path: '/etc/systemd/network/05-kib-cni.link',
        text: `[Match]\nOriginalName=${names.join(' ')}\n\n[Link]\nMACAddressPolicy=none\n`,
      },
      {
        kind: 'exec',
        title: 'make them known to what runs',
        script: sh`
          udevadm control --reload
          if systemctl is-active --quiet NetworkManager.service; then nmcli general reload; fi
          if systemctl is-active --quiet systemd-networkd.service; then networkctl reload; fi
        `,
        timeoutMs: 120_000,
      },
    ];
  },
  checks: () => [unmanagedCheck],
});

/** Makes an interface as Calico names them, and asks. */
const unmanagedCheck: Check = {
  name: 'network-manager/unmanaged',
  title: 'an interface of a pod is left alone',
  script: sh`
    ip link add calikibcheck type veth peer name calikibpeer
    trap 'ip link delete calikibcheck' EXIT
    address=$(cat /sys/class/net/calikibcheck/address)
    ip link set calikibcheck up
    udevadm settle
    sleep 1
    if systemctl is-active --quiet NetworkManager.service; then
      nmcli --terse --fields DEVICE,STATE device | grep '^calikibcheck:' | grep -v ':unmanaged$' || :
    fi
    if systemctl is-active --quiet systemd-networkd.service; then
      networkctl --no-legend --no-pager list calikibcheck | grep -v ' unmanaged *$' || :
    fi
    [ "$(cat /sys/class/net/calikibcheck/address)" = "$address" ] || echo 'its hardware address was changed'
  `,
  expect: { kind: 'equals', text: '' },
  when: ['build', 'boot'],
};
