import { type BuildPlan, type Context, type Credentials, type PlannedAction, type RunningMachine } from '../core/index.ts';
import { requireChecks, runChecks } from './checks.ts';
import { type ExecuteOptions, executeActions } from './execute.ts';
import type { Guest } from './guest.ts';
import { type GuestPackage, listPackages } from './guest-packages.ts';
import type { OpenLayers } from './layers/open.ts';
import { settleDisk } from './layers/settle-disk.ts';
import { openPackageCache, type PackageCache } from './package-cache/index.ts';
import type { SecretValues } from './secrets.ts';

/** A guest that is logged in to, and what its layers need. */
export interface Provisioning {
  readonly plan: BuildPlan;
  readonly guest: Guest;
  readonly machine: RunningMachine;
  readonly credentials: Credentials;
  readonly layers: OpenLayers | undefined;
  /** Local path of every download, by its URL. */
  readonly files: ReadonlyMap<string, string>;
  readonly secrets?: SecretValues | undefined;
  readonly pause?: ExecuteOptions['pause'];
}

/** How many actions will run, sealing included. */
export function countActions({ layers, seal }: BuildPlan, cached: OpenLayers | undefined): number {
  const missing = layers.slice(cached?.done ?? 0).filter(({ actions }) => actions.length > 0);
  const extra = cached === undefined ? 0 : 1;
  return missing.reduce((count, { actions }) => count + actions.length + extra, seal.length);
}

/** Runs the actions of every layer that is not there yet and keeps each as it is done, then checks the guest; returns what is installed. */
export async function provision(work: Provisioning, context: Context): Promise<readonly GuestPackage[]> {
  try {
    await makeLayers(work, context);
    const packages = await checkGuest(work, context);
    await work.layers?.chain.settled();
    return packages;
  } catch (error) {
    // A failed build keeps its good layers; should they not be kept, that is not why it failed.
    await work.layers?.chain.settled().catch(() => {});
    throw error;
  }
}

async function makeLayers(work: Provisioning, context: Context): Promise<void> {
  const { plan, guest, layers } = work;
  const done = layers?.done ?? 0;
  const missing = plan.layers.slice(done);
  const packageCache = await packageCacheFor(missing, work, context);
  for (const [index, layer] of plan.layers.entries()) {
    if (layer.actions.length === 0) continue;
    await context.span.run('layer', layer.name, async (span) => {
      if (index < done) {
        span.mark('cached');
        return;
      }
      const { clock } = context;
      const start = clock.now();
      const actions = layers === undefined ? layer.actions : [...layer.actions, writeBack(layer.name, layers)];
      const cache = packageCache === undefined ? {} : { packageCache };
      await executeActions(guest, actions, {
        files: work.files,
        secrets: work.secrets,
        machine: work.machine,
        pause: work.pause,
        context: { ...context, span },
        ...cache,
      });
      span.note('keeping the layer');
      await layers?.chain.keep({ ...work, index, ms: clock.now() - start });
    });
  }
}

/** Checks the guest and, on its other processor, lists its packages. */
async function checkGuest({ plan, guest }: Provisioning, context: Context): Promise<readonly GuestPackage[]> {
  const { signal } = context;
  const packages = listPackages(guest, plan.os.packageManager, signal);
  // What the checks found says more than why there is no list.
  packages.catch(() => {});
  const results = await context.span.run('check', 'check the guest', (span) =>
    runChecks(guest, plan.checks, { when: 'build', span, signal }),
  );
  requireChecks(results, 'the provisioned guest', 'with --on-error keep its machine is kept: kib-native ssh <build>');
  return packages;
}

/** A layer's disk must hold what its guest wrote, should it ever be booted without the memory. */
function writeBack(layer: string, { chain }: OpenLayers): PlannedAction {
  return {
    kind: 'exec',
    id: `${layer}/sync`,
    recipe: layer,
    title: 'write everything to the disk',
    script: settleDisk(chain),
    timeoutMs: 120_000,
  };
}

async function packageCacheFor(
  layers: BuildPlan['layers'],
  { guest, plan }: Provisioning,
  context: Context,
): Promise<PackageCache | undefined> {
  const installs = layers.some(({ actions }) => actions.some((action) => action.kind === 'exec' && action.packages === true));
  if (!installs) return undefined;
  const network = context.network === undefined ? {} : { network: context.network };
  return context.scope.use('package cache', await openPackageCache(guest, { os: plan.os, ...network }, context));
}
