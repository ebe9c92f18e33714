import { rm } from 'node:fs/promises';
import { type BuildPlan, type Context, type Driver, releasing } from '../core/index.ts';
import { planBuild } from '../plan/planner.ts';
import { buildStateDir } from './build-dirs.ts';
import { type Judged, judgeChain } from './layers/judge.ts';
import { keptOf } from './layers/kept.ts';
import { explainMiss, type Miss } from './layers/miss.ts';
import type { Problem } from './layers/problem.ts';
import type { LayerRecord } from './layers/record.ts';
import type { BuildRequest } from './request.ts';
import { resolvePlan } from './resolve-plan.ts';
import { startWork, type WorkHandle, type WorkRequest } from './start-build.ts';

/** What the cache has for one image. */
export interface CacheWhy {
  /** Plan name of the image. */
  readonly image: string;
  /** The layers that are kept, from `boot` up. */
  readonly layers: readonly WhyLayer[];
  /** Why the first layer that a build would have to make is missing; undefined when none is. */
  readonly miss: { readonly layer: string; readonly miss: Miss } | undefined;
}

export interface WhyLayer {
  readonly name: string;
  readonly key: string;
  readonly isHit: boolean;
  /** What is in the cache, usable or not. */
  readonly record: LayerRecord | undefined;
  /** Why what is there cannot be used. */
  readonly problem: Problem | undefined;
}

/** Finds out what a build of the request would find in the cache: reads what a build reads before it starts a machine, and changes no layer. */
export function startWhy(request: WorkRequest & Pick<BuildRequest, 'image'>, signal: AbortSignal): WorkHandle<CacheWhy> {
  const why = async (context: Context) => {
    const { plan } = await resolvePlan(request, planBuild(request.image), context);
    return whyMissed(plan, request.image.driver, context);
  };
  const work = startWork(request, why, signal);
  // No build: nobody looks for its logs. What it could not clean up is gc's to find.
  const forget = async () => {
    if (work.held().length === 0) await rm(buildStateDir(request.stateHome, work.id), { recursive: true, force: true });
  };
  const result = releasing(forget, () => work.result);
  result.catch(() => {});
  return { ...work, result, [Symbol.asyncIterator]: () => work[Symbol.asyncIterator]() };
}

/** Which layers of a plan with all its key facts are in the cache, and why the first one that is not is not. Changes nothing. */
export async function whyMissed(
  plan: BuildPlan,
  driver: Pick<Driver, 'layers'>,
  context: Pick<Context, 'dirs' | 'signal'>,
): Promise<CacheWhy> {
  const { dirs, signal } = context;
  const kept = keptOf(plan.layers, driver);
  const layers: WhyLayer[] = [];
  for (const { layer } of kept) {
    const [found] = await judgeChain(layer.key, { cacheDir: dirs.cache, signal });
    layers.push({ name: layer.name, key: layer.key, isHit: isHit(found), record: found?.record, problem: found?.problem });
  }
  const at = layers.findIndex((layer) => !layer.isHit);
  const missing = kept[at];
  if (missing === undefined) return { image: plan.name, layers, miss: undefined };
  const { name, key } = missing.layer;
  const wanted = {
    name,
    key,
    image: plan.name,
    parentKey: layers[at - 1]?.key,
    inputs: missing.inputs,
  };
  return { image: plan.name, layers, miss: { layer: name, miss: await explainMiss(wanted, context) } };
}

function isHit(found: Judged | undefined): boolean {
  return found?.record !== undefined && found.problem === undefined;
}
