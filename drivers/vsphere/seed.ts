import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { networkConfig, writeSeedIso } from '../../cloudinit/index.ts';
import { type Context, KibError, type SeedFiles, throwIfAborted } from '../../src/core/index.ts';
import type { Vcenter } from './client.ts';
import { isGone } from './errors.ts';
import type { MachineInfo } from './hardware.ts';
import { uploadItem } from './library.ts';
import type { VsphereOptions } from './options.ts';
import { own } from './owned.ts';
import { isAtLeast } from './vi-json.ts';

/** How the seed is with the machine, and how it is taken away again. */
export interface AttachedSeed {
  detach(): Promise<void>;
}

export interface SeedTarget {
  readonly vcenter: Vcenter;
  readonly vm: string;
  readonly info: MachineInfo;
  readonly library: string;
  /** Folder for scratch files, the caller's. */
  readonly folder: string;
  /** `kib-<build>-<nonce>`. */
  readonly name: string;
}

/** Gives a powered-off machine its seed. OVF properties are given when it is made instead. */
export async function attachSeed(
  seed: SeedFiles,
  target: SeedTarget,
  options: VsphereOptions,
  context: Context,
): Promise<AttachedSeed> {
  const files = withAddress(seed, target.info, options);
  if (options.seed === 'ovf') return { detach: async () => {} };
  return options.seed === 'customization' ? customized(files, target, context) : mountIso(files, target, options, context);
}

/** The seed with a fixed address for the machine's first network card, if the options give one. */
function withAddress(seed: SeedFiles, { name, nics }: MachineInfo, { address }: VsphereOptions): SeedFiles {
  if (address === undefined) return seed;
  const [card] = Object.values(nics);
  if (card?.mac_address === undefined) {
    throw new KibError('KIB_DRIVER_CANNOT', `${name} has no network card with an address to give ${address.cidr} to`, {
      hint: 'leave driver.address out, or choose another template',
    });
  }
  const { cidr, gateway, nameservers } = address;
  const network = {
    macAddress: card.mac_address,
    addresses: [cidr],
    ...(gateway === undefined ? {} : { gateway }),
    ...(nameservers.length === 0 ? {} : { nameservers }),
  };
  return { ...seed, 'network-config': networkConfig([network]) };
}

/** The values of the OVF properties that cloud-init's data source OVF reads. */
export function ovfProperties(seed: SeedFiles): Readonly<Record<string, string>> {
  const metadata = parse(seed['meta-data']) as Record<string, string | undefined>;
  return {
    'instance-id': metadata['instance-id'] ?? 'kib',
    hostname: metadata['local-hostname'] ?? 'localhost',
    'user-data': Buffer.from(seed['user-data']).toString('base64'),
  };
}

/** A NoCloud CD-ROM, which every cloud-init understands, in the library for as long as the machine has it. */
async function mountIso(seed: SeedFiles, target: SeedTarget, options: VsphereOptions, context: Context): Promise<AttachedSeed> {
  const { vcenter, vm, library, folder } = target;
  const { signal } = context;
  const path = join(folder, 'seed.iso');
  await writeSeedIso(seed, path, signal);
  const name = `${target.name}-seed`;
  const owned = await own('item', vcenter, { name, library }, context);
  const item = { name, library, type: 'iso', description: 'Seed of kib-native' } as const;
  const id = await uploadItem(vcenter, item, [{ path }], options, context);
  await rm(path);
  const cdrom = await vcenter.call(
    { method: 'POST', path: '/api/vcenter/iso/image', query: { action: 'mount' }, body: { library_item: id, vm }, signal },
    z.string(),
  );
  const device = `/api/vcenter/vm/${vm}/hardware/cdrom/${cdrom}`;
  const { start_connected } = await vcenter.call(
    { method: 'GET', path: device, signal },
    z.object({ start_connected: z.boolean() }),
  );
  if (!start_connected) await vcenter.send({ method: 'PATCH', path: device, body: { start_connected: true }, signal });
  return {
    detach: async () => {
      await vcenter.send({
        method: 'POST',
        path: '/api/vcenter/iso/image',
        query: { action: 'unmount' },
        body: { vm, cdrom },
        signal,
      });
      await vcenter.send({ method: 'DELETE', path: device, signal }).catch((error: unknown) => {
        throwIfAborted(signal);
        if (!isGone(error)) throw error;
      });
      await owned.remove();
    },
  };
}

async function customized(seed: SeedFiles, { vcenter, vm }: SeedTarget, { signal }: Context): Promise<AttachedSeed> {
  await customize(seed, vcenter, vm, signal);
  return { detach: async () => {} };
}

/** Cloud-init data that VMware Tools hand over at the next power-on; vCenter forgets it then. Throws KIB_VSPHERE_VERSION before vSphere 7.0 U3. */
export async function customize(seed: SeedFiles, vcenter: Vcenter, vm: string, signal: AbortSignal): Promise<void> {
  const version = await vcenter.version(signal);
  if (!isAtLeast(version, '7.0.3')) {
    throw new KibError(
      'KIB_VSPHERE_VERSION',
      `a customization for cloud-init needs vSphere 7.0 U3, ${vcenter.server} has ${version}`,
      {
        hint: 'driver.seed: iso',
      },
    );
  }
  const metadata = parse(seed['meta-data']) as Record<string, unknown>;
  const network = seed['network-config'] === undefined ? {} : { network: parse(seed['network-config']) as unknown };
  const cloudinit = { metadata: stringify({ ...metadata, ...network }), userdata: seed['user-data'] };
  const spec = {
    configuration_spec: { cloud_config: { type: 'CLOUDINIT', cloudinit } },
    global_DNS_settings: {},
    interfaces: [],
  };
  await vcenter.send({ method: 'PUT', path: `/api/vcenter/vm/${vm}/guest/customization`, body: { spec }, signal });
}
