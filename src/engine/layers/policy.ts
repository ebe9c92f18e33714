/** How likely a later build is to start at a layer in the middle; the first and the last two are where nearly all of them start. */
const CHANCE = 1 / 8;

/** Layers below one another at most: QEMU opens every file of the chain, and each of them is asked for what those above do not have. */
const MAX_DEPTH = 16;

export interface MemoryCost {
  /** Of the layer, in the plan's. */
  readonly index: number;
  /** How many layers the plan has. */
  readonly count: number;
  /** What booting this guest took, in milliseconds: what a saved memory spares. */
  readonly bootMs: number;
  /** How long the guest stood still when memory was saved last in this build, in milliseconds. */
  readonly pausedMs: number | undefined;
}

/** Whether to save the guest's memory with a layer: where builds nearly always start, and else where it costs less than it will spare. */
export function isMemoryWorthIt({ index, count, bootMs, pausedMs }: MemoryCost): boolean {
  // On the last one goes what comes after the layers, on the one before a change of the last.
  const isStart = index === 0 || index >= count - 2;
  return isStart || pausedMs === undefined || pausedMs < bootMs * CHANCE;
}

/**
 * Indexes of the layers to keep, given the names of all: the first, that of the packages and the last ones; those up to the packages too where
 * there is room. What lies between is made again together with the next kept one.
 */
export function keptLayers(names: readonly string[], maxDepth: number = MAX_DEPTH): readonly number[] {
  const all = [...names.keys()];
  if (all.length <= maxDepth) return all;
  const packages = Math.max(names.indexOf('packages'), 1);
  const head = packages < maxDepth - 1 ? all.slice(0, packages + 1) : [0, packages];
  const kept = new Set([...head, ...all.slice(all.length - maxDepth + head.length)]);
  return all.filter((index) => kept.has(index));
}

/** What one kept layer offers a build that could start on it. */
export interface StartOffer {
  /** Whether its memory can be loaded here; without, its disk has to be booted. */
  readonly canResume: boolean;
  /** What making it took, in milliseconds. */
  readonly ms: number;
  readonly bootMs: number;
}

/**
 * Index of the layer to start on, of those from `boot` up: the last one, unless booting its disk takes longer than making the last ones again
 * from a memory below.
 */
export function cheapestStart(offers: readonly StartOffer[]): number {
  const last = offers.length - 1;
  const top = offers[last];
  if (top === undefined || top.canResume) return last;
  let redoMs = 0;
  for (let index = last; index >= 0; index--) {
    const offer = offers[index];
    if (offer?.canResume === true) return redoMs < top.bootMs ? index : last;
    redoMs += offer?.ms ?? 0;
  }
  return last;
}
