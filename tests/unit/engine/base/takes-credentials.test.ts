import { describe, expect, it } from 'vitest';
import { lackedForCredentials } from '../../../../src/engine/base/takes-credentials.ts';
import type { OpenGuest } from '../../../../src/engine/inspect/open-guest.ts';
import { memoryFiles } from '../../../support/memory-files.ts';

const WANTED = '/etc/systemd/system/multi-user.target.wants';
const NETWORK = '/etc/systemd/network/90-default.network';
const DATASOURCES = '/etc/cloud/cloud.cfg.d/95_image.cfg';

/** A Debian 12 that takes them. */
const DEBIAN: Readonly<Record<string, string>> = {
  '/lib/systemd/system/systemd-tmpfiles-setup.service': '[Service]\nExecStart=systemd-tmpfiles\nLoadCredential=tmpfiles.extra\n',
  '/lib/modules/6.1.0-56-amd64/modules.dep': 'kernel/drivers/firmware/dmi-sysfs.ko:\n',
  '/lib/modules/6.1.0-56-amd64/modules.builtin': 'kernel/fs/ext4/ext4.ko\n',
  [`${WANTED}/ssh.service`]: '[Unit]\n',
  [`${WANTED}/systemd-networkd.service`]: '[Unit]\n',
  '/etc/ssh/sshd_config': '# a comment\nInclude /etc/ssh/sshd_config.d/*.conf\n',
  [NETWORK]: '[Match]\nName=en* eth*\n\n[Network]\nDHCP=yes\n',
  '/usr/bin/cloud-init': '#!/usr/bin/python3\n',
  '/usr/lib/cloud-init/ds-identify': '#!/bin/sh\n',
  '/etc/cloud/cloud.cfg': 'users:\n  - default\n',
  [DATASOURCES]: 'datasource_list: [NoCloud, ConfigDrive, None]\n',
  '/usr/bin/growpart': '',
  '/etc/passwd': 'daemon:x:1:1::/:/usr/sbin/nologin\nroot:x:0:0:root:/root:/bin/bash\n',
  '/etc/shadow': 'root:*:20000:0:99999:7:::\n',
  '/usr/sbin/resize2fs': '',
};

function lacked(changes: Readonly<Record<string, string | undefined>> = {}, type = 'ext4'): Promise<string | undefined> {
  const tree = Object.entries({ ...DEBIAN, ...changes }).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const mounts = [{ at: '/', fileSystem: { type } }] as unknown as OpenGuest['mounts'];
  return lackedForCredentials({ files: memoryFiles(Object.fromEntries(tree)), mounts });
}

describe('a base that takes a login as system credentials', () => {
  it('is one of which everything is seen', async () => {
    expect(await lacked()).toBeUndefined();
  });

  it.each([
    ['systemd 257', { '/lib/systemd/system/systemd-tmpfiles-setup.service': 'ImportCredential=tmpfiles.*\n' }],
    [
      'a module that the kernel has within',
      { '/lib/modules/6.1.0-56-amd64/modules.builtin': 'kernel/drivers/firmware/dmi-sysfs.ko\n' },
    ],
    [
      'a network by netplan, as Debian’s cloud images have it',
      {
        [NETWORK]: undefined,
        '/usr/sbin/netplan': '',
        '/etc/netplan/90-default.yaml':
          'network:\n  version: 2\n  ethernets:\n    all-en:\n      match:\n        name: en*\n      dhcp4: true\n',
      },
    ],
    ['no list of datasources', { [DATASOURCES]: undefined }],
    ['no cloud-init', { '/usr/bin/cloud-init': undefined, '/usr/lib/cloud-init/ds-identify': undefined }],
    ['a network of one card besides', { '/etc/systemd/network/10-nic.network': '[Match]\nMACAddress=52:54:00:12:34:56\n' }],
    ['SELinux that only warns', { '/etc/selinux/config': 'SELINUX=permissive\n' }],
  ])('may have %s', async (_what, changes) => {
    expect(await lacked(changes)).toBeUndefined();
  });

  it.each([
    ['systemd-tmpfiles', { '/lib/systemd/system/systemd-tmpfiles-setup.service': '[Service]\nExecStart=systemd-tmpfiles\n' }],
    ['dmi-sysfs', { '/lib/modules/6.1.0-56-amd64/modules.dep': 'kernel/drivers/firmware/efi/efi-pstore.ko:\n' }],
    ['dmi-sysfs', { '/lib/modules/6.1.0-57-amd64/modules.dep': 'kernel/fs/xfs.ko:\n' }],
    ['an SSH server', { [`${WANTED}/ssh.service`]: undefined }],
    ['an SSH server', { '/etc/ssh/sshd_config': '#Include /etc/ssh/sshd_config.d/*.conf\n' }],
    ['a network', { [`${WANTED}/systemd-networkd.service`]: undefined }],
    ['an SSH server', { '/etc/ssh/sshd_config': 'Match User x\nInclude /etc/ssh/sshd_config.d/*.conf\n' }],
    ['an SSH server', { '/etc/ssh/sshd_config.d/10-site.conf': 'AllowGroups admins\n' }],
    ['an SSH server', { '/etc/ssh/sshd_not_to_be_run': '' }],
    ['a root account', { '/etc/passwd': 'root:x:0:0:root:/root:/sbin/nologin\n' }],
    ['a root account', { '/etc/shadow': 'root:*:0:0:99999:7:::\n' }],
    ['a root account', { '/etc/shadow': 'root:*:20000:0:365:7:::\n' }],
    ['a root account', { '/etc/shadow': 'root:*:20000:0:99999:7::1:\n' }],
    ['a network', { [NETWORK]: undefined }],
    ['a network', { [NETWORK]: '[Match]\nName=eth*\n\n[Network]\nDHCP=yes\n' }],
    ['a network', { [NETWORK]: '[Match]\nName=en*\nDriver=e1000\n\n[Network]\nDHCP=yes\n' }],
    ['a network', { '/etc/systemd/network/10-site.network': '[Match]\nName=en*\n\n[Link]\nUnmanaged=yes\n' }],
    [
      'a network',
      {
        [NETWORK]: undefined,
        '/usr/sbin/netplan': '',
        '/etc/netplan/90-default.yaml': `network:
  ethernets:
    all: { match: { name: 'en*' }, dhcp4: false }
    other: { match: { name: 'eth*' }, dhcp4: true }
`,
      },
    ],
    ['a cloud-init', { '/var/lib/cloud/seed/nocloud/user-data': '' }],
    ['a cloud-init', { '/etc/cloud/cloud.cfg.d/90_own.cfg': 'datasource:\n  NoCloud:\n    seedfrom: http://192.0.2.1/\n' }],
    ['a network', { [NETWORK]: '[Match]\nName=en*\n\n[Network]\nAddress=192.0.2.2/24\n' }],
    ['a network', { [NETWORK]: '[Match]\nMACAddress=52:54:00:12:34:56\n\n[Network]\nDHCP=yes\n' }],
    ['a network', { [NETWORK]: undefined, '/etc/netplan/90-default.yaml': 'name: en*\ndhcp4: true\n' }],
    ['a cloud-init', { [DATASOURCES]: 'datasource_list: [NoCloud, None]\n' }],
    ['a cloud-init', { [DATASOURCES]: 'datasource_list:\n  - NoCloud\n' }],
    ['a cloud-init', { '/etc/cloud/cloud.cfg.d/99_more.cfg': 'datasource_list: [ Ec2 ]\n' }],
    ['a cloud-init', { '/etc/cloud/ds-identify.cfg': 'policy: enabled\n' }],
    ['a cloud-init', { '/usr/lib/cloud-init/ds-identify': undefined }],
    ['growpart', { '/usr/bin/growpart': undefined }],
    ['no SELinux policy', { '/etc/selinux/config': 'SELINUXTYPE=targeted\nSELINUX=enforcing\n' }],
    ['a tool that grows its root file system (ext4)', { '/usr/sbin/resize2fs': undefined }],
  ])('has %s: not with %j', async (what, changes) => {
    expect(await lacked(changes)).toContain(what);
  });

  it('has a root file system whose tool is there', async () => {
    expect(await lacked({}, 'xfs')).toContain('(xfs)');
    expect(await lacked({ '/usr/sbin/xfs_growfs': '' }, 'xfs')).toBeUndefined();
  });
});
