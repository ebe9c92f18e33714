import { expect, it } from 'vitest';
import { leaseFiles } from '../../../../drivers/vmware/host.ts';

// As HashiCorp's packer-plugin-vmware looks for them, and VMware's installers put them.
it.each([
  [
    'linux',
    ['/etc/vmware/vmnet8/dhcpd/dhcpd.leases', '/etc/vmware/vmnet8/dhcp/dhcpd.leases', '/etc/vmware/vmnet8/dhcp/dhcp.leases'],
  ],
  ['darwin', ['/var/db/vmware/vmnet-dhcpd-vmnet8.leases', '/var/db/dhcpd_leases']],
  ['win32', [String.raw`C:\ProgramData\VMware\vmnetdhcp.leases`]],
] as const)('lease files of a virtual network on %s', (platform, files) => {
  expect(leaseFiles('vmnet8', platform)).toEqual(files);
});
