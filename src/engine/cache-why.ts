import type { BuildPlan, Context, Layer } from '../core/index.ts';
import { recordedInputs } from './layers/inputs.ts';
import { type Judged, judgeChain } from './layers/judge.ts';
import { explainMiss, type Miss } from './layers/miss.ts';
import { keptLayers } from './layers/policy.ts';
import { type Problem } from './layers/problem.ts';
import type { LayerRecord } from './layers/record.ts';

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

/** Which layers of a plan with all its key facts are in the cache, and why the first one that is not is not. Changes nothing. */
export async function whyMissed(plan: BuildPlan, context: Pick<Context, 'dirs' | 'signal'>): Promise<CacheWhy> {
  const { dirs, signal } = context;
  const kept = keptParts(plan.layers);
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
    inputs: missing.parts.flatMap(recordedInputs),
  };
  return { image: plan.name, layers, miss: { layer: name, miss: await explainMiss(wanted, context) } };
}

function isHit(found: Judged | undefined): boolean {
  return found?.record !== undefined && found.problem === undefined;
}

/** The layers that are kept, each with those it includes since the one before. */
function keptParts(layers: readonly Layer[]): readonly { readonly layer: Layer; readonly parts: readonly Layer[] }[] {
  const kept = keptLayers(layers.length);
  return kept.flatMap((index, at) => {
    const layer = layers[index];
    return layer === undefined ? [] : [{ layer, parts: layers.slice((kept[at - 1] ?? -1) + 1, index + 1) }];
  });
}
