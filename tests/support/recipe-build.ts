import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { BuildEvent, CheckResult } from '../../src/core/index.ts';
import { startKib } from './program.ts';

export interface Built {
  readonly checks: readonly CheckResult[];
  /** Names of what the build did, in order. */
  readonly spans: readonly string[];
  readonly disk: string;
}

/** Builds the image described by `text` into `scratch`/`output` by the compiled program; fails with what the guest said last when that fails. */
export async function buildRecipes(
  scratch: string,
  output: string,
  text: string,
  env: Readonly<Record<string, string>>,
): Promise<Built> {
  const image = join(scratch, `${output}.yaml`);
  writeFileSync(image, text);
  const folder = join(scratch, output);
  const run = startKib(['build', image, '--output-dir', folder], { XDG_STATE_HOME: join(scratch, 'state'), ...env });
  const { status, stderr } = await run.ended;
  const of = <T extends BuildEvent['type']>(type: T) =>
    run.events.filter((event): event is BuildEvent & { readonly type: T } => event.type === type);
  const checks = of('check').map(({ result }) => result);
  const log = of('log').slice(-30);
  const failed = checks.filter(({ ok }) => !ok).map(({ name, detail }) => `${name}: ${detail}`);
  expect(status, [stderr, ...failed, ...log.map(({ line }) => line)].join('\n')).toBe(0);
  const [name = ''] = readdirSync(folder);
  return { checks, spans: of('span.start').map((event) => event.name), disk: join(folder, name, `${name}.qcow2`) };
}

/** The recipes that checks were made for. */
export function recipesOf({ checks }: Built): readonly string[] {
  return [...new Set(checks.map(({ name }) => name.split('/')[0] ?? ''))];
}
