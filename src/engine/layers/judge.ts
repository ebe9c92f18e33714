import { checkLayer } from './check-layer.ts';
import { layerDir } from './layout.ts';
import type { Problem } from './problem.ts';
import type { LayerRecord } from './record.ts';
import { readRecord } from './record-file.ts';

/** Longer chains are none of ours; what refers to itself has no end. */
const MAX_DEPTH = 64;

/** A layer of the store, read and compared. */
export interface Judged {
  readonly key: string;
  readonly dir: string;
  /** Text of its record, undefined when there is none. */
  readonly text: string | undefined;
  readonly record: LayerRecord | undefined;
  /** Why it cannot be used. */
  readonly problem: Problem | undefined;
}

export interface JudgeOptions {
  readonly cacheDir: string;
  readonly signal: AbortSignal;
  /** Called with files that are read whole, and the layer they belong to. */
  readonly onRead?: (path: string, layer: string) => void;
}

/** The layer with that key and those it stands on, the deepest last; none when there is no such layer. Removes nothing. */
export async function judgeChain(key: string, options: JudgeOptions, depth = 0): Promise<readonly Judged[]> {
  const dir = layerDir(options.cacheDir, key);
  const read = await readRecord(dir, key);
  if (read === undefined) return [];
  if (read.record === undefined) return [{ key, dir, text: read.text, record: undefined, problem: read.problem }];
  const { text, record } = read;
  const below = record.parent === undefined || depth === MAX_DEPTH ? [] : await judgeChain(record.parent.key, options, depth + 1);
  const onRead = (path: string) => options.onRead?.(path, record.name);
  const problem =
    parentProblem(record, below[0]) ?? (await checkLayer(dir, read, { signal: options.signal, isThorough: false, onRead }));
  return [{ key, dir, text, record, problem }, ...below];
}

function parentProblem({ parent }: LayerRecord, below: Judged | undefined): Problem | undefined {
  if (parent === undefined) return undefined;
  if (below?.record?.id === parent.id && below.problem === undefined) return undefined;
  const got =
    below === undefined ? 'none' : below.problem === undefined ? `${below.record?.id}` : 'one that cannot be used itself';
  return { kind: 'orphan', what: `layer ${parent.key.slice(0, 12)} below`, wanted: `its making ${parent.id}`, got };
}
