import type { GuestFiles } from '../inspect/guest-files.ts';
import type { OpenGuest } from '../inspect/open-guest.ts';

type Look = (files: GuestFiles) => Promise<boolean>;

const SYSTEMD_UNITS = ['/usr/lib/systemd/system', '/lib/systemd/system'];
const WANTED = '/etc/systemd/system/multi-user.target.wants';
const GROWS: Readonly<Record<string, string>> = { ext4: '/usr/sbin/resize2fs', xfs: '/usr/sbin/xfs_growfs' };

/** What a guest needs to be logged in to without cloud-init. Each is a fact of its files; what is not certain counts as missing. */
const NEEDS: readonly (readonly [what: string, look: Look])[] = [
  ['systemd-tmpfiles that reads credentials (systemd 252)', readsCredentials],
  ['the kernel module dmi-sysfs, which systemd reads credentials by', hasDmiSysfs],
  ['an SSH server that starts with the system and reads drop-ins', hasSshServer],
  ['a network without cloud-init (networkd with DHCP, by netplan or by itself)', hasNetwork],
  ['a cloud-init that stays off without a datasource', leavesCloudInitOff],
  ['growpart', (files) => isThere(files, '/usr/bin/growpart')],
  ['no SELinux policy that is enforced', async (files) => !/^SELINUX=enforcing/m.test(await text(files, '/etc/selinux/config'))],
];

/** What a base lacks to take a build's login as system credentials; undefined when it lacks nothing. */
export async function lackedForCredentials({ files, mounts }: OpenGuest): Promise<string | undefined> {
  for (const [what, look] of NEEDS) if (!(await look(files))) return what;
  const root = mounts.find(({ at }) => at === '/')?.fileSystem.type ?? '';
  const tool = GROWS[root];
  return tool !== undefined && (await isThere(files, tool)) ? undefined : `a tool that grows its root file system (${root})`;
}

/** LoadCredential=tmpfiles.extra in systemd 252 and 253, ImportCredential=tmpfiles.* since. */
async function readsCredentials(files: GuestFiles): Promise<boolean> {
  const units = await Promise.all(SYSTEMD_UNITS.map((folder) => text(files, `${folder}/systemd-tmpfiles-setup.service`)));
  return units.some((unit) => /^(Load|Import)Credential=tmpfiles\.(extra|\*)/m.test(unit));
}

/** In every kernel: nobody knows here which one starts. */
async function hasDmiSysfs(files: GuestFiles): Promise<boolean> {
  const folders = await modules(files);
  for (const folder of folders) {
    const lists = await Promise.all(['modules.builtin', 'modules.dep'].map((name) => text(files, `${folder}/${name}`)));
    if (!lists.some((list) => /\/dmi-sysfs\.ko/.test(list))) return false;
  }
  return folders.length > 0;
}

async function modules(files: GuestFiles): Promise<readonly string[]> {
  return (await files.list('/lib/modules')).map((version) => `/lib/modules/${version}`);
}

async function hasSshServer(files: GuestFiles): Promise<boolean> {
  const starts = await Promise.all(['ssh.service', 'sshd.service'].map((unit) => isThere(files, `${WANTED}/${unit}`)));
  return (
    starts.includes(true) &&
    /^\s*Include\s+\/etc\/ssh\/sshd_config\.d\/\*\.conf/im.test(await text(files, '/etc/ssh/sshd_config'))
  );
}

/** A network for whatever card there is; the files are systemd.network(5) and netplan(5). */
async function hasNetwork(files: GuestFiles): Promise<boolean> {
  if (!(await isThere(files, `${WANTED}/systemd-networkd.service`))) return false;
  const networks = await texts(files, '/etc/systemd/network', /\.network$/);
  const plans = (await isThere(files, '/usr/sbin/netplan')) ? await texts(files, '/etc/netplan', /\.yaml$/) : [];
  return (
    networks.some((network) => /^Name=(.*\s)?en?\*/m.test(network) && /^DHCP=(yes|true|ipv4)\s*$/m.test(network)) ||
    plans.some((plan) => /\bname:\s*["']?en?\*/.test(plan) && /\bdhcp4:\s*(true|yes)\b/.test(plan))
  );
}

/**
 * ds-identify turns cloud-init off for a boot when it finds no datasource, unless it is told not to look: by a policy, or by a list of only one
 * (ds-identify, comments at its top). A system without cloud-init is fine too.
 */
async function leavesCloudInitOff(files: GuestFiles): Promise<boolean> {
  if (!(await isThere(files, '/usr/bin/cloud-init'))) return true;
  if (!(await isThere(files, '/usr/lib/cloud-init/ds-identify')) || (await isThere(files, '/etc/cloud/ds-identify.cfg')))
    return false;
  const configs = [await text(files, '/etc/cloud/cloud.cfg'), ...(await texts(files, '/etc/cloud/cloud.cfg.d', /\.cfg$/))];
  const lists = configs.flatMap((config) => Array.from(config.matchAll(/^datasource_list:\s*(.*)$/gm), ([, list = '']) => list));
  const last = lists.at(-1);
  // A list over several lines is not understood here.
  return last === undefined || sources(last).length > 1;
}

function sources(list: string): readonly string[] {
  const inner = /^\[([^\]]*)\]/.exec(list)?.[1] ?? '';
  return inner.split(',').flatMap((name) => (['', 'None'].includes(name.trim()) ? [] : [name.trim()]));
}

async function texts(files: GuestFiles, folder: string, names: RegExp): Promise<readonly string[]> {
  const found = (await files.list(folder)).filter((name) => names.test(name));
  return Promise.all(found.map((name) => text(files, `${folder}/${name}`)));
}

async function text(files: GuestFiles, path: string): Promise<string> {
  return (await files.read(path)) ?? '';
}

async function isThere(files: GuestFiles, path: string): Promise<boolean> {
  return (await files.stat(path)) !== undefined;
}
