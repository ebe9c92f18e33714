import type { BuildDirs } from '../../core/index.ts';
import { layerKey } from '../../plan/keys.ts';
import type { RecordedInput } from './inputs.ts';
import { layerDir, layersDir } from './layout.ts';
import { lineDiff } from './line-diff.ts';
import { listFolder } from './read-file.ts';
import type { LayerRecord } from './record.ts';
import { readRecord } from './record-file.ts';
import { removedMs } from './traces.ts';

/** A layer that somebody looks for. */
export interface WantedLayer {
  readonly name: string;
  readonly image: string;
  /** Default: the key that parent and inputs make. */
  readonly key?: string;
  /** Undefined for `boot`. */
  readonly parentKey: string | undefined;
  readonly inputs: readonly RecordedInput[];
}

/** Why a layer is not in the cache. */
export type Miss =
  /** No layer like it was ever kept, or none is left to compare with. */
  | { readonly kind: 'never' }
  /** It was there, and was removed to make room. */
  | { readonly kind: 'pruned'; readonly removedMs: number }
  /** One like it stands on another parent. */
  | { readonly kind: 'parent'; readonly layer: string }
  | {
      readonly kind: 'input';
      /** Key of the layer it was compared with. */
      readonly layer: string;
      /** Name of the first input that differs: `containerd/3`. */
      readonly input: string;
      readonly title?: string;
      readonly change: 'added' | 'removed' | 'changed';
      /** `- …`, `+ …` and `  …` for lines that went, came and stayed. */
      readonly diff: readonly string[];
    };

/** Why there is no layer like `wanted`, by what differs from the closest one there is: same name, then same parent, same image, the newest. */
export async function explainMiss(wanted: WantedLayer, { dirs }: { readonly dirs: Pick<BuildDirs, 'cache'> }): Promise<Miss> {
  const removed = await removedMs(dirs.cache, wanted.key ?? layerKey(wanted.parentKey ?? '', wanted.inputs));
  if (removed !== undefined) return { kind: 'pruned', removedMs: removed };
  const closest = closestOf(wanted, await records(dirs.cache));
  if (closest === undefined) return { kind: 'never' };
  return firstDifference(closest, wanted.inputs) ?? { kind: 'parent', layer: closest.key };
}

async function records(cacheDir: string): Promise<readonly LayerRecord[]> {
  const keys = (await listFolder(layersDir(cacheDir))).filter((name) => !name.startsWith('.'));
  const read = await Promise.all(keys.map((key) => readRecord(layerDir(cacheDir, key), key)));
  return read.flatMap((found) => found?.record ?? []);
}

function closestOf(wanted: WantedLayer, all: readonly LayerRecord[]): LayerRecord | undefined {
  const hasSameParent = ({ parent, inputs }: LayerRecord) =>
    // All boot layers stand on nothing; alike are those of one base.
    wanted.parentKey === undefined
      ? parent === undefined && inputs[0]?.digest === wanted.inputs[0]?.digest
      : parent?.key === wanted.parentKey;
  const closeness = (record: LayerRecord) => (hasSameParent(record) ? 2 : 0) + (record.image === wanted.image ? 1 : 0);
  return all
    .filter((record) => record.name === wanted.name && closeness(record) > 0)
    .sort((a, b) => closeness(b) - closeness(a) || b.createdMs - a.createdMs)[0];
}

function firstDifference({ key, inputs: had }: LayerRecord, inputs: readonly RecordedInput[]): Miss | undefined {
  const index = inputs.findIndex((input, at) => input.digest !== had[at]?.digest);
  // All of ours are there, so it can only have more.
  const at = index === -1 ? inputs.length : index;
  const before = had[at];
  const after = inputs[at];
  const isKnown = (input: RecordedInput | undefined, among: readonly RecordedInput[]) =>
    among.slice(at).some(({ digest }) => digest === input?.digest);
  if (after !== undefined && (before === undefined || (isKnown(before, inputs) && !isKnown(after, had)))) {
    return difference(key, 'added', after, [], after.lines);
  }
  if (before !== undefined && (after === undefined || (isKnown(after, had) && !isKnown(before, inputs)))) {
    return difference(key, 'removed', before, before.lines, []);
  }
  if (before === undefined || after === undefined) return undefined;
  const lines = lineDiff(before.lines, after.lines);
  // What a URL names may change while the URL does not.
  if (lines.length === 0) return difference(key, 'changed', after, [`sha256 ${before.digest}`], [`sha256 ${after.digest}`]);
  return difference(key, 'changed', after, before.lines, after.lines);
}

function difference(
  layer: string,
  change: Extract<Miss, { kind: 'input' }>['change'],
  { name, title }: RecordedInput,
  before: readonly string[],
  after: readonly string[],
): Miss {
  return { kind: 'input', layer, input: name, ...(title === undefined ? {} : { title }), change, diff: lineDiff(before, after) };
}

/** For people: the reason in one line, then the lines that differ. */
export function describeMiss(miss: Miss): readonly string[] {
  switch (miss.kind) {
    case 'never':
      return ['nothing like it was kept before'];
    case 'pruned':
      return [`it was removed on ${new Date(miss.removedMs).toISOString().slice(0, 10)} to make room`];
    case 'parent':
      return ['the layer below it is another one'];
    case 'input': {
      const title = miss.title === undefined ? '' : ` (${miss.title})`;
      return [`${miss.input}${title} ${CHANGES[miss.change]}`, ...miss.diff];
    }
  }
}

const CHANGES = { added: 'is new', removed: 'is gone', changed: 'changed' } as const;
