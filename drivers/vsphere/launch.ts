import { randomBytes } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Context, KibError, type LaunchRequest, releasing, Scope, throwIfAborted } from '../../src/core/index.ts';
import { inspectBase } from '../../src/io/local-base.ts';
import { baseItem } from './base-item.ts';
import { Vcenter } from './client.ts';
import { asksForUserData, makeMachine, type Source } from './clone.ts';
import { sourceOf } from './find-base.ts';
import { fitHardware, onlyDisk } from './hardware.ts';
import { findLibrary } from './library.ts';
import { VsphereMachine } from './machine.ts';
import type { VsphereOptions } from './options.ts';
import { own } from './owned.ts';
import { resolvePlacement } from './placement.ts';
import { attachSeed, ovfProperties, prepareSeed, seedWays } from './seed.ts';

/** Makes a machine of the base and powers it on. See Driver.launch for the contract. */
export async function launch(request: LaunchRequest, options: VsphereOptions, context: Context): Promise<VsphereMachine> {
  throwIfAborted(context.signal);
  if ('path' in request.base) await inspectBase(request, context.signal);
  const parts = new Scope();
  const abandon = context.scope.defer('vSphere machine', () => parts[Symbol.asyncDispose]());
  try {
    return await start(request, options, abandon, { ...context, scope: parts });
  } catch (error) {
    abandon();
    return releasing(
      () => parts[Symbol.asyncDispose](),
      () => Promise.reject(error as Error),
    );
  }
}

/** The context's scope is the machine's. */
async function start(
  request: LaunchRequest,
  options: VsphereOptions,
  abandon: () => void,
  context: Context,
): Promise<VsphereMachine> {
  const { scope: parts, signal, span, buildId } = context;
  const { base, machine } = request;
  const name = `kib-${buildId}-${randomBytes(4).toString('hex')}`;
  const vcenter = parts.use('vCenter session', await Vcenter.open(options, context));
  const isRemote = !('path' in base);
  const placement = await resolvePlacement(vcenter, options, { keepsNetwork: isRemote }, signal);
  const library = await findLibrary(vcenter, options.library, placement.datastore.id, signal);
  const folder = await scratchFolder(name, context);
  const made = isRemote
    ? { source: sourceOf(base), drop: async () => {} }
    : await uploaded(request, { vcenter, library, folder, name }, options, context);
  const hasProperties = isRemote && options.seed === 'auto' && (await asksForUserData(vcenter, made.source, placement, signal));
  const readsCustomization = machine.lacksVmwareDatasource !== true;
  const ways = seedWays(options, { version: await vcenter.version(signal), hasProperties, readsCustomization });
  if (options.seed === 'ovf' && made.source.kind !== 'ovf') {
    throw new KibError('KIB_DRIVER_CANNOT', 'driver.seed ovf is for OVF items of a library', { hint: 'driver.seed: iso' });
  }
  const prepared = await prepareSeed(request.seed, ways, { vcenter, library, folder, name }, options, context);
  await own('vm', vcenter, { name }, context);
  span.note(`making ${name} on ${vcenter.server}`);
  const properties = prepared.way === 'ovf' ? { properties: ovfProperties(request.seed) } : {};
  const vm = await makeMachine(vcenter, made.source, { name, placement, machine, ...properties }, options, context);
  await made.drop();
  const info = await fitHardware(vcenter, vm, machine, placement.network, options, context);
  const seed = await attachSeed(request.seed, prepared, { vcenter, vm, info, library, folder, name }, options, context);
  throwIfAborted(signal);
  await vcenter.send({ method: 'POST', path: `/api/vcenter/vm/${vm}/power`, query: { action: 'start' } });
  throwIfAborted(signal);
  const { bytes } = onlyDisk(info);
  return new VsphereMachine({ vcenter, vm, name, library, folder, seed, virtualBytes: bytes, options, parts, abandon, context });
}

async function uploaded(
  { base, machine }: LaunchRequest,
  to: { readonly vcenter: Vcenter; readonly library: string; readonly folder: string; readonly name: string },
  options: VsphereOptions,
  context: Context,
): Promise<{ readonly source: Source; readonly drop: () => Promise<void> }> {
  if (!('path' in base)) throw new Error('the base is not on this host');
  const item = await baseItem({ ...to, base, machine }, options, context);
  return { source: { kind: 'ovf', id: item.id }, drop: item.drop };
}

/** For what is uploaded and downloaded. */
async function scratchFolder(name: string, { dirs, journal, scope }: Context): Promise<string> {
  const path = join(dirs.work, name);
  const released = await journal.acquire({ kind: 'path', id: path });
  scope.defer(`folder ${path}`, async () => {
    await rm(path, { recursive: true, force: true });
    await released();
  });
  await mkdir(path, { mode: 0o700 });
  return path;
}
