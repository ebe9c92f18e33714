import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { networkConfig, writeSeedIso } from '../../cloudinit/index.ts';
import { type Context, errorMessage, isKibError, KibError, type SeedFiles, throwIfAborted } from '../../src/core/index.ts';
import type { Vcenter } from './client.ts';
import { CUSTOMIZATION, customize } from './customization.ts';
import { isGone } from './errors.ts';
import type { MachineInfo } from './hardware.ts';
import { uploadItem } from './library.ts';
import type { VsphereOptions } from './options.ts';
import { type Owned, own } from './owned.ts';
import { isAtLeast } from './vi-json.ts';

export type SeedWay = Exclude<VsphereOptions['seed'], 'auto'>;

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

/** What the ways to give a seed depend on. */
export interface SeedFacts {
  /** Of vCenter. */
  readonly version: string;
  /** Whether the machine is made of an OVF that asks for user data, and has none of its own. */
  readonly hasProperties: boolean;
  /** Whether cloud-init of the base reads customizations. */
  readonly readsCustomization: boolean;
}

const REFUSALS: ReadonlySet<string> = new Set(['KIB_VSPHERE', 'KIB_VSPHERE_UNAUTHORIZED', 'KIB_VSPHERE_TASK']);

/**
 * The ways to give a machine its seed, best first: a CD-ROM, which every cloud-init reads and which goes away again; a customization where vCenter and the
 * base know those of cloud-init; OVF properties where the OVF has them, which stay in the machine's settings. Pure.
 */
export function seedWays({ seed }: Pick<VsphereOptions, 'seed'>, facts: SeedFacts): readonly SeedWay[] {
  if (seed !== 'auto') return [seed];
  const { version, hasProperties, readsCustomization } = facts;
  return [
    'iso',
    ...(readsCustomization && isAtLeast(version, CUSTOMIZATION) ? (['customization'] as const) : []),
    ...(hasProperties ? (['ovf'] as const) : []),
  ];
}

/** How a machine that is to be made gets its seed. */
export interface PreparedSeed {
  readonly way: SeedWay;
  /** Other ways, where vCenter refuses this one. */
  readonly others: readonly SeedWay[];
  /** Uploaded for it. */
  readonly iso?: SeedItem;
}

interface SeedItem {
  readonly id: string;
  readonly owned: Owned;
}

/**
 * Chooses the way before the machine is made, since OVF properties are given with that: the first for which vCenter takes what is to be uploaded. A seed
 * with a fixed address waits for the machine's network card.
 */
export async function prepareSeed(
  seed: SeedFiles,
  [way = 'iso', ...others]: readonly SeedWay[],
  target: Omit<SeedTarget, 'vm' | 'info'>,
  options: VsphereOptions,
  context: Context,
): Promise<PreparedSeed> {
  if (way !== 'iso' || options.address !== undefined) return { way, others };
  try {
    return { way, others, iso: await uploadIso(seed, target, options, context) };
  } catch (error) {
    requireOther(error, others, context);
    return prepareSeed(seed, others, target, options, context);
  }
}

/** Gives a powered-off machine its seed. */
export async function attachSeed(
  seed: SeedFiles,
  { way, others, iso }: PreparedSeed,
  target: SeedTarget,
  options: VsphereOptions,
  context: Context,
): Promise<AttachedSeed> {
  const files = withAddress(seed, target.info, options);
  if (way === 'customization') return customized(files, target, context);
  if (way === 'ovf') return { detach: async () => {} };
  let item = iso;
  try {
    item ??= await uploadIso(files, target, options, context);
    return await mountIso(item, target, context);
  } catch (error) {
    // The machine is there: it is too late for properties.
    const left = others.filter((other) => other !== 'ovf');
    requireOther(error, left, context);
    await item?.owned.remove();
    return customized(files, target, context);
  }
}

/** Goes on if vCenter does not do it, whatever the reason, and something else may do; throws the error otherwise. */
function requireOther(error: unknown, [next]: readonly SeedWay[], { signal, span }: Context): void {
  throwIfAborted(signal);
  if (next === undefined || !isRefusal(error)) throw error;
  const hint = 'driver.seed says how to give it';
  span.warn('KIB_VSPHERE', `vCenter takes no seed as a CD-ROM, so it is given as ${next}: ${errorMessage(error)}`, hint);
}

/** Whether vCenter does not do it, whatever the reason; not that it cannot be reached. */
function isRefusal(error: unknown): boolean {
  return isKibError(error) && !error.retryable && REFUSALS.has(error.code);
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
async function uploadIso(
  seed: SeedFiles,
  { vcenter, library, folder, name }: Omit<SeedTarget, 'vm' | 'info'>,
  options: VsphereOptions,
  context: Context,
): Promise<SeedItem> {
  const path = join(folder, 'seed.iso');
  await writeSeedIso(seed, path, context.signal);
  const item = { name: `${name}-seed`, library, type: 'iso', description: 'Seed of kib-native' } as const;
  const owned = await own('item', vcenter, { name: item.name, library }, context);
  try {
    return { id: await uploadItem(vcenter, item, [{ path }], options, context), owned };
  } catch (error) {
    throwIfAborted(context.signal);
    await owned.remove();
    throw error;
  } finally {
    await rm(path, { force: true });
  }
}

async function mountIso({ id, owned }: SeedItem, { vcenter, vm }: SeedTarget, { signal }: Context): Promise<AttachedSeed> {
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
