import { parse } from 'yaml';
import { z } from 'zod';
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
  ['a root account that may log in', letsRootIn],
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

/** Enabled, reads drop-ins, and keeps nobody out by name: what it says of root otherwise, the build's drop-in says first. */
async function hasSshServer(files: GuestFiles): Promise<boolean> {
  const starts = await Promise.all(['ssh.service', 'sshd.service'].map((unit) => isThere(files, `${WANTED}/${unit}`)));
  if (!starts.includes(true) || (await isThere(files, '/etc/ssh/sshd_not_to_be_run'))) return false;
  const config = await text(files, '/etc/ssh/sshd_config');
  const [global = ''] = config.split(/^\s*Match\s/im);
  const all = [config, ...(await texts(files, '/etc/ssh/sshd_config.d', /\.conf$/))];
  return (
    /^\s*Include\s+\/etc\/ssh\/sshd_config\.d\/\*\.conf/im.test(global) &&
    !all.some((config) => /^\s*(Allow|Deny)(Users|Groups)\b/im.test(config))
  );
}

/** passwd(5), shadow(5): a shell, and neither the account nor its password runs out. */
async function letsRootIn(files: GuestFiles): Promise<boolean> {
  const rootOf = (records: string): readonly string[] => /^root:.*$/m.exec(records)?.[0].split(':') ?? [];
  const shell = rootOf(await text(files, '/etc/passwd'))[6] ?? '';
  const [, , changed = '', , mostDays = '', , , expires = ''] = rootOf(await text(files, '/etc/shadow'));
  return (
    !/(^|\/)(nologin|false)$/.test(shell) && changed !== '0' && expires === '' && (mostDays === '' || Number(mostDays) >= 99_999)
  );
}

/** What systemd calls a card of a virtual machine (systemd.net-naming-scheme(7)). */
const CARDS = ['enp0s2', 'ens3'];

/** A network for whatever card there is. */
async function hasNetwork(files: GuestFiles): Promise<boolean> {
  if (!(await isThere(files, `${WANTED}/systemd-networkd.service`))) return false;
  const networks = await texts(files, '/etc/systemd/network', /\.network$/);
  // The first file that fits a card is taken (systemd.network(5)); one for an address of its own fits none of ours.
  const first = networks.find((network) => !/^(Permanent)?MACAddress=/m.test(network));
  if (first !== undefined) return isForAnyCard(first);
  if (!(await isThere(files, '/usr/sbin/netplan'))) return false;
  const plans = await texts(files, '/etc/netplan', /\.yaml$/);
  return plans.length > 0 && plans.every(plansAnyCard);
}

function isForAnyCard(network: string): boolean {
  const [, match = ''] = /^\[Match\]\n([^[]*)/m.exec(network) ?? [];
  const keys = Array.from(match.matchAll(/^(\w+)=(.*)$/gm), ([, key = '', value = '']) => [key, value] as const);
  const globs = keys.find(([key]) => key === 'Name')?.[1].split(/\s+/) ?? [];
  return keys.every(([key]) => ['Name', 'Type'].includes(key)) && fitsCards(globs) && /^DHCP=(yes|true|ipv4)\s*$/m.test(network);
}

const netplanSchema = z.object({
  network: z.object({
    ethernets: z.record(
      z.string(),
      z.object({ match: z.object({ name: z.string() }).strict().optional(), dhcp4: z.boolean().optional() }),
    ),
  }),
});

/** netplan(5): whether every stanza that may be for our card asks for DHCP, and there is one. */
function plansAnyCard(plan: string): boolean {
  const { data } = netplanSchema.safeParse(parsed(plan));
  const stanzas = Object.values(data?.network.ethernets ?? {});
  return (
    stanzas.length > 0 &&
    stanzas.every(({ match, dhcp4 }) => dhcp4 === true && match !== undefined) &&
    fitsCards(stanzas.map(({ match }) => match?.name ?? ''))
  );
}

function parsed(yaml: string): unknown {
  try {
    return parse(yaml);
  } catch {
    return undefined;
  }
}

/** Whether each card is fitted by a glob; of globs only prefixes are understood. */
function fitsCards(globs: readonly string[]): boolean {
  return CARDS.every((card) => globs.some((glob) => /^[a-z0-9]*\*$/.test(glob) && card.startsWith(glob.slice(0, -1))));
}

/**
 * ds-identify turns cloud-init off for a boot when it finds no datasource, unless it is told not to look: by a policy, a seed, or a list of only one
 * (ds-identify, comments at its top). A system without cloud-init is fine too.
 */
async function leavesCloudInitOff(files: GuestFiles): Promise<boolean> {
  if (!(await isThere(files, '/usr/bin/cloud-init'))) return true;
  if (!(await isThere(files, '/usr/lib/cloud-init/ds-identify'))) return false;
  for (const path of TOLD) if (await isThere(files, path)) return false;
  const configs = [await text(files, '/etc/cloud/cloud.cfg'), ...(await texts(files, '/etc/cloud/cloud.cfg.d', /\.cfg$/))];
  const lists = configs.flatMap((config) => Array.from(config.matchAll(/^datasource_list:\s*(.*)$/gm), ([, list = '']) => list));
  if (configs.some((config) => /^\s*(NoCloud|MAAS):/m.test(config))) return false;
  const last = lists.at(-1);
  // A list over several lines is not understood here.
  return last === undefined || sources(last).length > 1;
}

const TOLD = [
  '/etc/cloud/ds-identify.cfg',
  '/var/lib/cloud/seed/nocloud',
  '/var/lib/cloud/seed/nocloud-net',
  '/var/lib/cloud/instance',
];

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
