import { describe, expect, it } from 'vitest';
import { rules } from '../../../../src/engine/inspect/rules.ts';
import { memoryFiles } from '../../../support/memory-files.ts';

const BUILDER = 'kib';

/** A sealed Debian: everything that may be there, nothing that may not. */
const SEALED: Readonly<Record<string, string>> = {
  '/etc/passwd':
    'root:x:0:0:root:/root:/bin/bash\ndaemon:*:1:1::/usr/sbin:/usr/sbin/nologin\nkibana:x:990:990::/srv/kibana:/bin/false\n',
  '/etc/shadow': 'root:*:20000:0:99999:7:::\ndaemon:!:20000::::::\nkibana:!*:20000::::::\n',
  '/etc/group': 'root:x:0:\nsudo:x:27:kibana\n',
  '/etc/gshadow': 'root:*::\nsudo:!::kibana\nusers:::\n',
  '/etc/subuid': 'kibana:100000:65536\n',
  '/etc/sudoers': 'root ALL=(ALL:ALL) ALL\n%ops ALL=(ALL) NOPASSWD: ALL\n# kib ALL=(ALL) ALL\n@includedir /etc/sudoers.d\n',
  '/etc/sudoers.d/README': '# read me\n',
  '/root/.ssh/authorized_keys': '',
  '/root/.bash_history': '',
  '/root/.bashrc': 'alias ll=ls\n',
  '/etc/ssh/sshd_config': 'PermitRootLogin no\n',
  '/etc/ssh/moduli': '',
  '/etc/machine-id': '',
  '/etc/hostname': 'localhost\n',
  '/etc/hosts': '127.0.0.1 localhost\n',
  '/etc/netplan/90-default.yaml': 'network: {version: 2}\n# was 52:54:00:12:34:56\n',
  '/etc/fstab': '# swap was here\nUUID=1 / ext4 rw 0 1\n',
  '/etc/environment': 'PATH=/usr/bin\n#http_proxy=http://old\n',
  '/etc/apt/apt.conf.d/01proxy': '// Acquire::http::Proxy "http://example";\nAcquire::http::Proxy "DIRECT";\n',
  '/etc/dnf/dnf.conf': '[main]\nproxy=_none_\n',
  '/etc/systemd/system/containerd.service.d/oom.conf': '[Service]\nOOMScoreAdjust=-999\n',
  '/var/lib/cloud/': '',
  '/var/lib/dhcp/dhclient.leases': '',
  '/var/lib/apt/lists/lock': '',
  '/var/log/README': 'You are looking for the traditional text log files\n',
  '/var/log/wtmp': '',
  '/var/log/apt/': '',
  '/var/tmp/': '',
};

/** Each adds one thing, or replaces one, and says what the rule must then find. */
const CASES: readonly (readonly [rule: string, changes: Readonly<Record<string, string>>, problem: string])[] = [
  ['no-builder-account', { '/etc/passwd': 'kib:x:1000:1000::/home/kib:/bin/bash\n' }, '/etc/passwd has kib'],
  ['no-builder-account', { '/etc/shadow-': 'kib:!:1::::::\n' }, '/etc/shadow- has kib'],
  ['no-builder-account', { '/etc/group': 'sudo:x:27:root,kib\n' }, '/etc/group: kib is in sudo'],
  ['no-builder-account', { '/etc/gshadow': 'sudo:!:kib:root\n' }, '/etc/gshadow: kib is in sudo'],
  ['no-builder-account', { '/etc/subuid': 'kib:100000:65536\n' }, '/etc/subuid has kib'],
  ['no-builder-account', { '/home/kib/.profile': '' }, '/home/kib'],
  ['no-passwords', { '/etc/shadow': 'root:$y$j9T$abc$def:1::::::\n' }, '/etc/shadow: root has a password hash'],
  ['no-passwords', { '/etc/shadow': 'root:!$6$abc$def:1::::::\n' }, '/etc/shadow: root has a password hash'],
  ['no-passwords', { '/etc/shadow': 'root::1::::::\n' }, '/etc/shadow: root has an empty password'],
  ['no-passwords', { '/etc/shadow-': 'root:x1y2:1::::::\n' }, '/etc/shadow-: root has a password hash'],
  ['no-passwords', { '/etc/passwd': 'root::0:0::/root:/bin/sh\n' }, '/etc/passwd: root has a password outside shadow'],
  ['no-passwords', { '/etc/gshadow': 'sudo:$6$abc::\n' }, '/etc/gshadow: group sudo has a password hash'],
  ['no-passwords', { '/etc/shadow': '' }, '/etc/shadow is missing or empty, so accounts cannot be judged'],
  ['no-builder-sudo', { '/etc/sudoers': 'kib ALL=(ALL) NOPASSWD:ALL\n' }, '/etc/sudoers: kib ALL=(ALL) NOPASSWD:ALL'],
  ['no-builder-sudo', { '/etc/sudoers.d/x': '%kib ALL=(ALL) ALL\n' }, '/etc/sudoers.d/x: %kib ALL=(ALL) ALL'],
  ['no-builder-sudo', { '/etc/sudoers.d/x': 'User_Alias X = root,kib\n' }, '/etc/sudoers.d/x: User_Alias X = root,kib'],
  ['no-builder-sudo', { '/etc/sudoers.d/90-cloud-init-users': 'debian ALL=(ALL) ALL\n' }, '/etc/sudoers.d/90-cloud-init-users'],
  ['no-user-keys', { '/root/.ssh/authorized_keys': 'ssh-ed25519 AAAA\n' }, '/root/.ssh/authorized_keys'],
  ['no-user-keys', { '/srv/kibana/.ssh/authorized_keys2': 'ssh-ed25519 AAAA\n' }, '/srv/kibana/.ssh/authorized_keys2'],
  ['no-user-keys', { '/home/gone/.ssh/id_ed25519': 'PRIVATE\n' }, '/home/gone/.ssh/id_ed25519'],
  ['no-user-keys', { '/etc/ssh/sshd_config.d/00-kib-native.conf': 'HostKey x\n' }, '/etc/ssh/sshd_config.d/00-kib-native.conf'],
  ['no-histories', { '/root/.bash_history': 'export TOKEN=x\n' }, '/root/.bash_history'],
  ['no-histories', { '/home/gone/.python_history': 'x\n' }, '/home/gone/.python_history'],
  ['no-host-keys', { '/etc/ssh/ssh_host_ed25519_key': '' }, '/etc/ssh/ssh_host_ed25519_key'],
  ['no-host-keys', { '/etc/ssh/ssh_host_rsa_key.pub': 'x' }, '/etc/ssh/ssh_host_rsa_key.pub'],
  ['no-machine-id', { '/etc/machine-id': `${'0af1'.repeat(8)}\n` }, `/etc/machine-id is ${'0af1'.repeat(8)}`],
  ['no-machine-id', { '/var/lib/dbus/machine-id': 'abc\n' }, '/var/lib/dbus/machine-id is abc'],
  ['no-random-seed', { '/var/lib/systemd/random-seed': 'entropy' }, '/var/lib/systemd/random-seed'],
  ['no-random-seed', { '/var/lib/NetworkManager/secret_key': 'x' }, '/var/lib/NetworkManager/secret_key'],
  ['no-cloud-init-state', { '/var/lib/cloud/instances/kib-1/user-data.txt': '' }, '/var/lib/cloud/instances/kib-1'],
  ['no-cloud-init-state', { '/var/lib/cloud/data/instance-id': 'kib-1' }, '/var/lib/cloud/data/instance-id'],
  ['no-cloud-init-state', { '/var/log/cloud-init-output.log': 'x' }, '/var/log/cloud-init-output.log'],
  [
    'no-network-state',
    { '/etc/netplan/50-cloud-init.yaml': '  macaddress: 52:54:00:12:34:56\n' },
    '/etc/netplan/50-cloud-init.yaml: macaddress: 52:54:00:12:34:56',
  ],
  ['no-network-state', { '/etc/udev/rules.d/70-persistent-net.rules': 'x' }, '/etc/udev/rules.d/70-persistent-net.rules'],
  ['no-dhcp-leases', { '/var/lib/dhcp/dhclient.leases': 'lease {}\n' }, '/var/lib/dhcp/dhclient.leases'],
  ['no-dhcp-leases', { '/var/lib/NetworkManager/internal-1-ens3.lease': 'x' }, '/var/lib/NetworkManager/internal-1-ens3.lease'],
  ['no-build-hostname', { '/etc/hostname': 'kib-build\n' }, '/etc/hostname: kib-build'],
  ['no-build-hostname', { '/etc/hosts': '127.0.1.1 kib-build.local x\n' }, '/etc/hosts: 127.0.1.1 kib-build.local x'],
  [
    'no-proxies',
    { '/etc/environment': 'HTTPS_PROXY=http://me:pw@proxy:3128\n' },
    '/etc/environment: HTTPS_PROXY=http://***@proxy:3128',
  ],
  ['no-proxies', { '/etc/profile.d/p.sh': 'export http_proxy=http://p\n' }, '/etc/profile.d/p.sh: export http_proxy=http://p'],
  [
    'no-proxies',
    { '/etc/apt/apt.conf.d/p': 'Acquire::http::Proxy "http://p:3142";\n' },
    '/etc/apt/apt.conf.d/p: Acquire::http::Proxy "http://p:3142";',
  ],
  [
    'no-proxies',
    { '/etc/apt/apt.conf': 'Acquire {\n  http { Proxy "http://p"; };\n};\n' },
    '/etc/apt/apt.conf: http { Proxy "http://p"; };',
  ],
  ['no-proxies', { '/etc/dnf/dnf.conf': 'proxy=http://p\n' }, '/etc/dnf/dnf.conf: proxy=http://p'],
  ['no-proxies', { '/etc/pip.conf': '[global]\nproxy = http://p\n' }, '/etc/pip.conf: proxy = http://p'],
  [
    'no-proxies',
    { '/etc/systemd/system/containerd.service.d/http-proxy.conf': 'Environment="HTTP_PROXY=http://p"\n' },
    '/etc/systemd/system/containerd.service.d/http-proxy.conf: Environment="HTTP_PROXY=http://p"',
  ],
  ['no-staging-files', { '/var/tmp/kib-0a1b2c': 'x' }, '/var/tmp/kib-0a1b2c'],
  ['no-staging-files', { '/tmp/kib.AbCdEf/0.sh': 'x' }, '/tmp/kib.AbCdEf'],
  ['no-swap', { '/etc/fstab': '/dev/vda5 none swap sw 0 0\n' }, '/etc/fstab: /dev/vda5'],
  ['no-swap', { '/swap.img': 'x' }, '/swap.img'],
  [
    'no-package-caches',
    { '/var/lib/apt/lists/mirror.example_trixie_InRelease': 'x' },
    '/var/lib/apt/lists/mirror.example_trixie_InRelease',
  ],
  ['no-package-caches', { '/var/cache/dnf/baseos-0123456789abcdef/repomd.xml': 'x' }, '/var/cache/dnf/baseos-0123456789abcdef'],
  ['no-logs', { '/var/log/syslog': 'x' }, '/var/log/syslog'],
  ['no-logs', { '/var/log/journal/0af1/system.journal': 'x' }, '/var/log/journal/0af1'],
];

async function problemsOf(name: string, tree: Readonly<Record<string, string>>): Promise<readonly string[]> {
  const rule = rules.find((rule) => rule.name === name);
  if (rule === undefined) throw new Error(`no rule is called ${name}`);
  return (await rule.judge(memoryFiles(tree), BUILDER)).problems;
}

describe('inspection rules', () => {
  it.each(rules.map(({ name }) => name))('%s holds on a sealed disk', async (name) => {
    expect(await problemsOf(name, SEALED)).toEqual([]);
  });

  it.each(CASES)('%s fails on %j', async (name, changes, problem) => {
    expect(await problemsOf(name, { ...SEALED, ...changes })).toEqual([problem]);
  });

  it('has a failing case for every rule', () => {
    expect(new Set(CASES.map(([name]) => name))).toEqual(new Set(rules.map(({ name }) => name)));
  });

  it('accepts a machine id that asks for a new one', async () => {
    expect(await problemsOf('no-machine-id', { ...SEALED, '/etc/machine-id': 'uninitialized\n' })).toEqual([]);
  });

  it('tells of sudo rules that others made without refusing them', async () => {
    const rule = rules.find(({ name }) => name === 'no-builder-sudo');
    const finding = await rule?.judge(memoryFiles(SEALED), BUILDER);
    expect(finding?.seen).toBe('NOPASSWD rules of others: %ops ALL=(ALL) NOPASSWD: ALL');
  });
});
