import { collect, entries, present, type Rule, settings } from './rule.ts';

const noHostKeys: Rule = {
  name: 'no-host-keys',
  title: 'no SSH host keys; every machine makes its own',
  severity: 'failure',
  async judge(files) {
    return { problems: await entries(files, '/etc/ssh', /^ssh_host_.*key/), seen: '/etc/ssh' };
  },
};

const noMachineId: Rule = {
  name: 'no-machine-id',
  title: 'no machine id; every machine makes its own',
  severity: 'failure',
  async judge(files) {
    // machine-id(5): an empty file or `uninitialized` asks for a new one at boot. D-Bus's is usually a link to it.
    const problems = await collect(['/etc/machine-id', '/var/lib/dbus/machine-id'], async (path) => {
      const id = ((await files.read(path)) ?? '').trim();
      return id === '' || id === 'uninitialized' ? [] : [`${path} is ${id}`];
    });
    const stat = await files.stat('/etc/machine-id');
    return { problems, seen: stat === undefined ? 'no /etc/machine-id' : '/etc/machine-id asks for a new one' };
  },
};

const noSeeds: Rule = {
  name: 'no-random-seed',
  title: 'no random seed or host secret is shared between machines',
  severity: 'failure',
  async judge(files) {
    const paths = [
      '/var/lib/systemd/random-seed',
      '/var/lib/urandom/random-seed',
      '/var/lib/systemd/credential.secret',
      '/var/lib/NetworkManager/secret_key',
    ];
    return { problems: await present(files, paths), seen: `${paths.length} places` };
  },
};

const noCloudInitState: Rule = {
  name: 'no-cloud-init-state',
  title: 'cloud-init will take the next boot for the first',
  severity: 'failure',
  async judge(files) {
    const folders = ['/var/lib/cloud/instances', '/var/lib/cloud/instance', '/var/lib/cloud/data', '/var/lib/cloud/sem'];
    const problems = [
      ...(await collect(folders, async (folder) => entries(files, folder))),
      ...(await present(files, await entries(files, '/var/log', /^cloud-init.*\.log/))),
    ];
    return { problems, seen: '/var/lib/cloud and its logs' };
  },
};

const MAC_ADDRESS = /\b[0-9a-f]{2}(:[0-9a-f]{2}){5}\b/i;
const NETWORK_FOLDERS = [
  '/etc/netplan',
  '/etc/network/interfaces.d',
  '/etc/systemd/network',
  '/etc/NetworkManager/system-connections',
  '/etc/sysconfig/network-scripts',
];

const noNetworkState: Rule = {
  name: 'no-network-state',
  title: 'no network adapter of the build is remembered',
  severity: 'failure',
  async judge(files) {
    const configs = await collect(NETWORK_FOLDERS, async (folder) => entries(files, folder));
    const pinned = await collect(configs, async (path) => {
      const line = (await settings(files, path)).find((line) => MAC_ADDRESS.test(line));
      return line === undefined ? [] : [`${path}: ${line}`];
    });
    const rules = await present(files, ['/etc/udev/rules.d/70-persistent-net.rules']);
    return { problems: [...pinned, ...rules], seen: `${configs.length} network configurations, none for one adapter` };
  },
};

const LEASES: readonly (readonly [string, RegExp])[] = [
  ['/var/lib/dhcp', /lease/],
  ['/var/lib/dhclient', /lease/],
  ['/var/lib/dhcpcd', /lease/],
  ['/var/lib/NetworkManager', /lease/],
];

const noLeases: Rule = {
  name: 'no-dhcp-leases',
  title: 'no DHCP lease is left',
  severity: 'failure',
  async judge(files) {
    const found = await collect(LEASES, async ([folder, pattern]) => entries(files, folder, pattern));
    return { problems: await present(files, found), seen: `${LEASES.length} DHCP clients` };
  },
};

const noBuildName: Rule = {
  name: 'no-build-hostname',
  title: 'the machine of the build has left no name',
  severity: 'failure',
  async judge(files, builder) {
    // The machines that build and judge are called after the account: kib-build, kib-verify.
    const names = new RegExp(`\\b${builder}-(build|verify)\\b`);
    const problems = await collect(['/etc/hostname', '/etc/hosts'], async (path) =>
      (await settings(files, path)).filter((line) => names.test(line)).map((line) => `${path}: ${line}`),
    );
    const [name = 'no host name'] = await settings(files, '/etc/hostname');
    return { problems, seen: name };
  },
};

/** What makes two machines of one image different. */
export const identityRules: readonly Rule[] = [
  noHostKeys,
  noMachineId,
  noSeeds,
  noCloudInitState,
  noNetworkState,
  noLeases,
  noBuildName,
];
