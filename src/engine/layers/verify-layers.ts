import { checkLayer } from './check-layer.ts';
import { layerDir } from './layout.ts';
import { type ListedLayer, listLayers } from './list-layers.ts';
import type { Problem } from './problem.ts';
import { orphans } from './prune-plan.ts';
import { readRecord } from './record-file.ts';
import { removeLayer, sweepGone } from './remove.ts';

export interface VerifyOptions {
  readonly cacheDir: string;
  readonly signal: AbortSignal;
  /** Remove what is not right. */
  readonly repair: boolean;
  /** Called with each file before it is read. */
  readonly onRead?: (path: string) => void;
}

export interface VerifiedLayer {
  readonly key: string;
  /** Undefined when its record cannot be read. */
  readonly name: string | undefined;
  readonly image: string | undefined;
  readonly status: 'ok' | Problem['kind'];
  /** Undefined when it is right. */
  readonly problem: Problem | undefined;
  readonly isRemoved: boolean;
}

/** Reads every byte of every layer, and of the bases below them, and compares. A layer above one that is not right is an orphan. */
export async function verifyLayers(options: VerifyOptions): Promise<readonly VerifiedLayer[]> {
  const { cacheDir, signal, repair, onRead } = options;
  if (repair) await sweepGone(cacheDir, signal);
  const layers = await listLayers(cacheDir, signal);
  const bases = new Map<string, string>();
  const found = new Map<string, { readonly text: string | undefined; readonly problem: Problem | undefined }>();
  for (const { key } of layers) {
    const dir = layerDir(cacheDir, key);
    const read = await readRecord(dir, key);
    if (read === undefined) continue;
    const check = { signal, isThorough: true, bases, ...(onRead === undefined ? {} : { onRead }) };
    found.set(key, { text: read.text, problem: read.problem ?? (await checkLayer(dir, read, check)) });
  }
  const sound = layers.filter(({ key }) => found.get(key)?.problem === undefined && found.has(key));
  const hanging = new Set(orphans(sound).map(({ key }) => key));
  const report: VerifiedLayer[] = [];
  for (const layer of layers) {
    const judged = found.get(layer.key);
    if (judged === undefined) continue;
    const problem = judged.problem ?? (hanging.has(layer.key) ? parentProblem(layer, layers) : undefined);
    const isRemoved = repair && problem !== undefined && (await removeLayer(cacheDir, layer.key, judged.text));
    const { key, record } = layer;
    report.push({ key, name: record?.name, image: record?.image, status: problem?.kind ?? 'ok', problem, isRemoved });
  }
  return report;
}

function parentProblem({ parent }: ListedLayer, layers: readonly ListedLayer[]): Problem {
  const below = layers.find(({ key }) => key === parent?.key);
  const what = `layer ${below?.record?.name ?? ''} ${parent?.key.slice(0, 12)} below`.replace('  ', ' ');
  const wanted = `its making ${parent?.id}`;
  if (below === undefined) return { kind: 'orphan', what, wanted, got: 'none' };
  return { kind: 'orphan', what, wanted, got: below.id === parent?.id ? 'one that is not right itself' : `${below.id}` };
}
