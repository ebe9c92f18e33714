import { type BaseImage, type BuildPlan, type Context, KibError, type RemoteBase } from '../../core/index.ts';
import { pausedLayer } from '../breakpoints.ts';
import { type ChainInputs, LayerChain } from './chain.ts';
import { type KeptLayer, keptOf } from './kept.ts';
import { type Lease, leaseLayer } from './lease.ts';
import { describeMiss, explainMiss, type Miss } from './miss.ts';
import { removeSlowLayers, removeUnused } from './slow-layers.ts';
import { deepestLayer, findLayer, type StoredLayer } from './store.ts';
import { pinLayer } from './use.ts';

/** Where a build with a layer cache starts. */
export interface OpenLayers {
  readonly chain: LayerChain;
  /** The layer to start on; undefined: on the base. */
  readonly top: StoredLayer | undefined;
  /** How many of the plan's layers need not be made. */
  readonly done: number;
}

interface Found {
  readonly top: StoredLayer | undefined;
  readonly done: number;
}

/**
 * Finds the deepest layer to start on, waiting for another build that makes the one after it. Undefined when nothing is to be cached: with
 * `cache: off`, or a driver that cannot. Throws KIB_CACHE_MISS for `cache: strict` with a layer missing, KIB_USAGE for an unknown `from`.
 */
export async function openLayers(
  { base, ...rest }: Omit<ChainInputs, 'base'> & { readonly base: BaseImage | RemoteBase },
  context: Context,
): Promise<OpenLayers | undefined> {
  const { request, plan } = rest;
  const { image, cache = 'auto' } = request;
  if (cache === 'off') return undefined;
  if (image.driver.layers === undefined || !('path' in base)) {
    if (cache === 'auto') return undefined;
    throw new KibError('KIB_CACHE_MISS', `wanted cached layers, but the driver ${image.driver.name} has none`, {
      hint: 'leave --cache strict out, or build with --driver qemu',
    });
  }
  const inputs: ChainInputs = { ...rest, base };
  const kept = keptOf(plan.layers, image.driver).filter(({ index }) => index < pausedLayer(plan, request));
  const limit = await forget(kept, request.from, context);
  if (cache === 'auto')
    await removeSlowLayers(
      kept.slice(0, limit).map(({ layer }) => layer),
      request,
      plan,
      context,
    );
  const { found, lease } = await claim(kept, limit, inputs, context);
  if (found.top !== undefined) await pinLayer(found.top, context);
  return { chain: new LayerChain(inputs, found.top, lease, context), ...found };
}

/** Removes the layers from `from` on, so that they are made anew; returns how many of `kept` may be used. */
async function forget(kept: readonly KeptLayer[], from: string | undefined, context: Context): Promise<number> {
  if (from === undefined) return kept.length;
  const first = kept.findIndex(({ layer }) => layer.name === from);
  // Not a layer that is kept by itself: it is part of the next one.
  const limit = first === -1 ? kept.length : first;
  for (const { layer } of kept.slice(limit).reverse()) await removeUnused(layer, context);
  return limit;
}

/** The deepest layer there is, with the right to make the one after it. */
async function claim(
  kept: readonly KeptLayer[],
  limit: number,
  inputs: ChainInputs,
  context: Context,
): Promise<{ readonly found: Found; readonly lease: Lease | undefined }> {
  const usable = kept.slice(0, limit);
  for (;;) {
    const found = await findDeepest(usable, context);
    const next = kept.find(({ index }) => index >= found.done);
    if (next === undefined) return { found, lease: undefined };
    if (inputs.request.cache === 'strict') throw await missing(next, found, inputs, context);
    const lease = await leaseLayer(next.layer.key, next.layer.name, context);
    // Whoever made it before may have finished it while we waited.
    if ((await findLayer(next.layer.key, context)) === undefined) {
      await reportMiss(next, found, inputs, context);
      return { found, lease };
    }
    await lease[Symbol.asyncDispose]();
  }
}

async function findDeepest(kept: readonly KeptLayer[], context: Context): Promise<Found> {
  const deepest = await deepestLayer(
    kept.map(({ layer }) => layer.key),
    context,
  );
  const at = deepest === undefined ? undefined : kept[deepest.index];
  return at === undefined ? { top: undefined, done: 0 } : { top: deepest?.layer, done: at.index + 1 };
}

async function missing(kept: KeptLayer, found: Found, inputs: ChainInputs, context: Context): Promise<KibError> {
  const { layer } = kept;
  const miss = await why(kept, found, inputs.plan, context);
  return new KibError('KIB_CACHE_MISS', `the layer ${layer.name} is not in the cache: ${describeMiss(miss).join('\n')}`, {
    hint: 'build without --cache strict to make it',
    details: { layer: layer.name, key: layer.key, miss },
  });
}

async function reportMiss(kept: KeptLayer, found: Found, inputs: ChainInputs, context: Context): Promise<void> {
  const [reason = '', ...diff] = describeMiss(await why(kept, found, inputs.plan, context));
  context.span.emit({ type: 'cache.miss', layer: kept.layer.name, reason, diff });
}

function why({ layer, inputs }: KeptLayer, { top }: Found, plan: BuildPlan, context: Context): Promise<Miss> {
  return explainMiss({ name: layer.name, key: layer.key, image: plan.name, parentKey: top?.record.key, inputs }, context);
}
