import { access, readdir, readFile } from 'node:fs/promises';
import { KibError } from '../../src/core/index.ts';
import { findProgram } from '../../src/io/programs.ts';
import type { VmwareOptions } from './options.ts';

export type Product = 'ws' | 'fusion' | 'player';

/** VMware on this host. */
export interface VmwareHost {
  /** Absolute path of vmrun. */
  readonly vmrun: string;
  readonly product: Product;
}

/** Where the installers put vmrun, beside the search path. */
const VMRUN: Readonly<Partial<Record<NodeJS.Platform, readonly string[]>>> = {
  darwin: ['/Applications/VMware Fusion.app/Contents/Library/vmrun', '/Applications/VMware Fusion.app/Contents/Public/vmrun'],
  win32: [
    String.raw`C:\Program Files (x86)\VMware\VMware Workstation\vmrun.exe`,
    String.raw`C:\Program Files\VMware\VMware Workstation\vmrun.exe`,
  ],
};

/** Finds vmrun. Throws KIB_VMRUN_MISSING. */
export async function findVmware({ vmrun, product }: VmwareOptions): Promise<VmwareHost> {
  const chosen = product === 'auto' ? (process.platform === 'darwin' ? 'fusion' : 'ws') : product;
  const candidates = vmrun === undefined ? [...(VMRUN[process.platform] ?? [])] : [vmrun];
  for (const path of candidates) if (await isThere(path)) return { vmrun: path, product: chosen };
  const found = vmrun === undefined || !/[/\\]/.test(vmrun) ? await findProgram(vmrun ?? 'vmrun') : undefined;
  if (found !== undefined) return { vmrun: found, product: chosen };
  throw new KibError(
    'KIB_VMRUN_MISSING',
    `wanted vmrun of VMware Workstation or Fusion, found none${vmrun === undefined ? '' : ` at ${vmrun}`}`,
    {
      hint: 'install VMware Workstation (Linux, Windows) or Fusion (macOS), or give driver.vmrun',
    },
  );
}

/** Lease files of a virtual network on this host, best first; some may not be there. */
export function leaseFiles(vmnet: string, platform: NodeJS.Platform = process.platform): readonly string[] {
  if (platform === 'darwin') return [`/var/db/vmware/vmnet-dhcpd-${vmnet}.leases`, '/var/db/dhcpd_leases'];
  if (platform === 'win32') return [String.raw`C:\ProgramData\VMware\vmnetdhcp.leases`];
  return ['dhcpd/dhcpd.leases', 'dhcp/dhcpd.leases', 'dhcp/dhcp.leases'].map((name) => `/etc/vmware/${vmnet}/${name}`);
}

/** Virtual networks that VMware itself sets up. */
const VMNETS = { nat: 'vmnet8', hostonly: 'vmnet1' } as const;

/** The virtual network that a connection leads to; undefined when a network of others hands out its addresses. */
export async function vmnetOf({ network, vmnet }: VmwareOptions): Promise<string | undefined> {
  if (network === 'bridged') return undefined;
  if (network === 'custom') return vmnet;
  return (await netmap()).get(network) ?? VMNETS[network];
}

/** Linux and macOS name the networks in netmap.conf: `network8.name = "NAT"`, `network8.device = "vmnet8"`. */
async function netmap(): Promise<ReadonlyMap<string, string>> {
  const path = process.platform === 'darwin' ? '/Library/Preferences/VMware Fusion/netmap.conf' : '/etc/vmware/netmap.conf';
  const text = await readFile(path, 'utf8').catch(() => '');
  const devices = new Map([...text.matchAll(/^network(\d+)\.device\s*=\s*"([^"]+)"/gm)].map(([, n, device]) => [n, device]));
  return new Map(
    [...text.matchAll(/^network(\d+)\.name\s*=\s*"([^"]+)"/gm)].flatMap(([, n, name]) => {
      const device = devices.get(n);
      return name === undefined || device === undefined ? [] : [[name.toLowerCase(), device] as const];
    }),
  );
}

/** Version of the product as its files tell it, for doctor; undefined where they do not. */
export async function productVersion({ product }: VmwareHost): Promise<string | undefined> {
  if (product === 'fusion') {
    const plist = await readFile('/Applications/VMware Fusion.app/Contents/Info.plist', 'utf8').catch(() => '');
    return /<key>CFBundleShortVersionString<\/key>\s*<string>([^<]+)/.exec(plist)?.[1];
  }
  if (process.platform !== 'linux') return undefined;
  const config = await readFile('/etc/vmware/config', 'utf8').catch(() => '');
  return /^product\.version\s*=\s*"([^"]+)"/m.exec(config)?.[1];
}

/** Whether the folder of the virtual networks can be read, which finding an address by its lease needs. */
export async function readableLeases(paths: readonly string[]): Promise<readonly string[]> {
  const readable = await Promise.all(paths.map(async (path) => ((await isThere(path)) ? [path] : [])));
  return readable.flat();
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** Lock folders and files that VMware keeps beside a machine it has open: `<name>.lck`. The .vmx one may stay for a while. */
export async function locksIn(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder).catch(() => []);
  return names.filter((name) => name.endsWith('.lck') && !name.endsWith('.vmx.lck'));
}
