import type { Driver, Layer } from '../../core/index.ts';
import { type RecordedInput, recordedInputs } from './inputs.ts';
import { keptLayers } from './policy.ts';

/** A layer of a plan that is kept. */
export interface KeptLayer {
  /** In the plan's layers. */
  readonly index: number;
  readonly layer: Layer;
  /** Its own inputs after those of the layers since the kept one before, which are made together with it. */
  readonly inputs: readonly RecordedInput[];
}

/** The layers of a plan that a driver keeps, from `boot` up. */
export function keptOf(layers: readonly Layer[], driver: Pick<Driver, 'layers'>): readonly KeptLayer[] {
  const names = layers.map(({ name }) => name);
  const indexes = keptLayers(names, driver.layers?.atMost);
  return indexes.flatMap((index, at) => {
    const layer = layers[index];
    if (layer === undefined) return [];
    const inputs = layers.slice((indexes[at - 1] ?? -1) + 1, index + 1).flatMap(recordedInputs);
    return [{ index, layer, inputs }];
  });
}
