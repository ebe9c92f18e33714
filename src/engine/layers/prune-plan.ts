/** What of a layer decides whether it goes. */
export interface Prunable {
  readonly key: string;
  readonly id: string | undefined;
  readonly parent: { readonly key: string; readonly id?: string | undefined } | undefined;
  readonly bytes: number;
  readonly usedMs: number;
  readonly isInUse: boolean;
}

/** Layers that can never be used again, since the one they stand on is not there any more, and everything above them. */
export function orphans<T extends Prunable>(layers: readonly T[]): readonly T[] {
  const byKey = new Map(layers.map((layer) => [layer.key, layer]));
  const stands = new Map<string, boolean>();
  const isStanding = (layer: T): boolean => {
    const known = stands.get(layer.key);
    if (known !== undefined) return known;
    // Whatever refers to itself stands on nothing.
    stands.set(layer.key, false);
    const parent = layer.parent === undefined ? undefined : byKey.get(layer.parent.key);
    const result = layer.parent === undefined || (parent !== undefined && parent.id === layer.parent.id && isStanding(parent));
    stands.set(layer.key, result);
    return result;
  };
  return layers.filter((layer) => !isStanding(layer));
}

/** The next layer to remove while they take more than `maxBytes`: the least recently used one that carries no other and is not in use. */
export function nextVictim<T extends Prunable>(layers: readonly T[], maxBytes: number): T | undefined {
  if (layers.reduce((sum, { bytes }) => sum + bytes, 0) <= maxBytes) return undefined;
  const carrying = new Set(layers.map(({ parent }) => parent?.key));
  const free = layers.filter(({ key, isInUse }) => !isInUse && !carrying.has(key));
  return free.reduce<T | undefined>((first, one) => (first === undefined || isBefore(one, first) ? one : first), undefined);
}

function isBefore(a: Prunable, b: Prunable): boolean {
  return a.usedMs < b.usedMs || (a.usedMs === b.usedMs && a.key < b.key);
}
