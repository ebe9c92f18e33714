import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import type { Outcome } from './results.ts';
import { BENCH, type Bench, folder } from './workspace.ts';

/** One row of the report's table, or several that need the same runs. */
export interface Scenario {
  readonly name: string;
  readonly title: string;
  /** How often each side runs unless --rounds says otherwise. */
  readonly rounds: number;
  /** Throws when a proof of correctness fails. `earlier` are outcomes of scenarios that ran before, now or in an earlier run. */
  run(bench: Bench, rounds: number, earlier: ReadonlyMap<string, Outcome>): Promise<Outcome>;
}

/** Another image file like one of images/ with more steps at its end; returns its path. */
export function imageWith(bench: Bench, image: string, name: string, steps: readonly string[]): string {
  const document = parse(readFileSync(join(BENCH, 'images', `${image}.yaml`), 'utf8')) as {
    provision?: readonly Readonly<Record<string, unknown>>[];
  };
  const provision = (document.provision ?? []).map((step) =>
    typeof step['file'] === 'string' ? { ...step, file: join(BENCH, 'images', step['file']) } : step,
  );
  const path = join(bench.work, `${name}.yaml`);
  writeFileSync(path, stringify({ ...document, name, provision: [...provision, ...steps.map((shell) => ({ shell }))] }));
  return path;
}

/** Puts an image where the next build does not remove it. */
export function keep(bench: Bench, name: string, image: string | undefined): { readonly name: string; readonly path: string } {
  if (image === undefined || image === '') throw new Error(`${name} made no image`);
  const path = join(folder(bench, `kept-${name.replaceAll(/[^a-z]+/gi, '-')}`), 'image.qcow2');
  renameSync(image, path);
  return { name, path };
}

/** Runs the sides of a round one after the other, in turn starting with each. */
export async function alternate(rounds: number, sides: readonly (() => Promise<void>)[]): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < sides.length; turn++) await sides[(round + turn) % sides.length]?.();
  }
}
