import { join } from 'node:path';
import {
  type BaseImage,
  type BuildPlan,
  type Context,
  type Credentials,
  type DiskPlace,
  errorMessage,
  isKibError,
  type LaunchRequest,
  type RemoteBase,
  type RunningMachine,
  throwIfAborted,
} from '../core/index.ts';
import type { Guest } from './guest.ts';
import { readCredentials } from './layers/credentials.ts';
import { forgetMemory } from './layers/forget-memory.ts';
import type { OpenLayers } from './layers/open.ts';
import type { StoredLayer } from './layers/store.ts';
import { type LoginWay, makeLogin } from './login.ts';
import type { BuildRequest } from './request.ts';
import { wakeGuest } from './wake-guest.ts';

/** A powered-on machine and how to log in to it. */
export interface StartedMachine {
  readonly machine: RunningMachine;
  readonly credentials: Credentials;
  /** Logged in to already when the machine was continued from memory; else it boots. */
  readonly guest: Guest | undefined;
}

/** Resolves without DNS in every base, so that sudo does not wait for a lookup. */
export const BUILD_HOSTNAME = 'localhost';

/** Starts a machine where the layers end: continues the last one from its memory, or boots its disk, or the base. */
export async function startMachine(
  request: BuildRequest,
  plan: BuildPlan,
  base: BaseImage | RemoteBase,
  layers: OpenLayers | undefined,
  way: LoginWay,
  context: Context,
): Promise<StartedMachine> {
  const { driver } = request.image;
  if (layers?.top !== undefined && (await canContinue(layers.top, request, plan, context))) {
    const continued = await tryToContinue(layers.top, request, plan, layers, context);
    if (continued !== undefined) return continued;
  }
  const options = { instanceId: `kib-${context.buildId}`, hostname: BUILD_HOSTNAME, minimal: true, way };
  const { credentials, seed, systemCredentials } = makeLogin(options);
  const machine = await context.span.run('boot', `start ${driver.name}`, async (span) => {
    const disk = await layers?.chain.place();
    const from: LaunchRequest['base'] =
      layers?.top === undefined ? base : { path: join(layers.top.dir, 'disk.qcow2'), format: 'qcow2' };
    const launch = {
      name: plan.name,
      machine: plan.machine,
      base: from,
      seed,
      ...(systemCredentials === undefined ? {} : { credentials: systemCredentials }),
      ...withDisk(disk),
    };
    return driver.launch(launch, request.image.driverOptions, { ...context, span });
  });
  context.scope.use(`machine ${machine.id}`, machine);
  return { machine, credentials, guest: undefined };
}

function withDisk(disk: DiskPlace | undefined): { readonly disk?: DiskPlace } {
  return disk === undefined ? {} : { disk };
}

/** Whether the layer has a memory that this host's hypervisor can load. */
async function canContinue(top: StoredLayer, { image }: BuildRequest, plan: BuildPlan, context: Context): Promise<boolean> {
  const { memory } = top.record;
  const ability = image.driver.layers?.memory;
  if (memory === undefined || ability === undefined) return false;
  const fingerprint = await ability.fingerprint(plan.machine, image.driverOptions, context);
  if (fingerprint === memory.fingerprint) return true;
  context.span.note(`the memory of layer ${top.record.name} was saved by another hypervisor; booting its disk`);
  return false;
}

/** The machine, logged in to; undefined when its memory is of no use, which is then forgotten. */
async function tryToContinue(
  top: StoredLayer,
  request: BuildRequest,
  plan: BuildPlan,
  { chain }: OpenLayers,
  context: Context,
): Promise<StartedMachine | undefined> {
  const { driver, driverOptions } = request.image;
  const ability = driver.layers?.memory;
  if (ability === undefined) return undefined;
  const { name } = top.record;
  return context.span.run('boot', `continue from layer ${name}`, async (span) => {
    let machine: RunningMachine | undefined;
    try {
      const credentials = await readCredentials(top);
      const disk = await chain.place();
      const continued = { name: plan.name, machine: plan.machine, frozen: top.dir, disk };
      machine = await ability.resume(continued, driverOptions, { ...context, span });
      const guest = await wakeGuest(machine, credentials, { ...context, span });
      context.scope.use(`machine ${machine.id}`, machine);
      return { machine, credentials, guest };
    } catch (error) {
      await machine?.[Symbol.asyncDispose]();
      throwIfAborted(context.signal);
      if (!isKibError(error) || (error.class !== 'guest' && error.code !== 'KIB_RESUME')) throw error;
      span.warn(error.code, `layer ${name} cannot be continued: ${errorMessage(error)}; booting its disk instead`);
      await forgetMemory(top);
      span.mark('skipped');
      return undefined;
    }
  });
}
