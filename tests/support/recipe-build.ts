import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { BuildEvent, CheckResult, SpanKind, SpanStatus } from '../../src/core/index.ts';
import { startKib } from './program.ts';

export interface Built {
  readonly checks: readonly CheckResult[];
  /** Names of what the build did, in order. */
  readonly spans: readonly string[];
  readonly disk: string;
  /** What it took, and what was done in that: the layers and what comes before and after them. */
  readonly ms: number;
  readonly parts: readonly Part[];
}

interface Part {
  readonly name: string;
  readonly ms: number;
  readonly status: SpanStatus;
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
  const start = performance.now();
  const run = startKib(['build', image, '--output-dir', folder], { XDG_STATE_HOME: join(scratch, 'state'), ...env });
  const { status, stderr } = await run.ended;
  const of = <T extends BuildEvent['type']>(type: T) =>
    run.events.filter((event): event is BuildEvent & { readonly type: T } => event.type === type);
  const checks = of('check').map(({ result }) => result);
  const log = of('log').slice(-30);
  const failed = checks.filter(({ ok }) => !ok).map(({ name, detail }) => `${name}: ${detail}`);
  expect(status, [stderr, ...failed, ...log.map(({ line }) => line)].join('\n')).toBe(0);
  const [name = ''] = readdirSync(folder);
  return {
    checks,
    spans: of('span.start').map((event) => event.name),
    disk: join(folder, name, `${name}.qcow2`),
    ms: performance.now() - start,
    parts: partsOf(run.events),
  };
}

const KINDS: readonly SpanKind[] = ['fetch', 'boot', 'layer', 'check', 'seal', 'export', 'verify'];

function partsOf(events: readonly BuildEvent[]): readonly Part[] {
  const names = new Map<number, string>();
  return events.flatMap((event) => {
    if (event.type === 'span.start' && KINDS.includes(event.kind)) names.set(event.span, event.name);
    const name = names.get(event.span);
    return event.type === 'span.end' && name !== undefined ? [{ name, ms: event.ms, status: event.status }] : [];
  });
}

/** Prints what each part took, cold and from layers. */
export function printTimes(title: string, cold: Built, again: Built): void {
  const names = [...new Set([...cold.parts, ...again.parts].map(({ name }) => name))];
  const seconds = (ms: number) => (ms / 1000).toFixed(1);
  const cell = ({ parts }: Built, wanted: string) => {
    const part = parts.find(({ name }) => name === wanted);
    if (part === undefined) return '';
    return part.status === 'ok' ? seconds(part.ms) : part.status;
  };
  const rows = [
    [title, 'cold, s', 'again, s'],
    ...names.map((name) => [name, cell(cold, name), cell(again, name)]),
    ['in all', seconds(cold.ms), seconds(again.ms)],
  ];
  console.info(
    rows.map(([name = '', ...cells]) => `${name.padEnd(48)}${cells.map((text) => text.padStart(10)).join('')}`).join('\n'),
  );
}

/** A build on layers is judged by the checks of the cold one, and passes them all. */
export function expectAsCold(again: Built, cold: Built): void {
  expect(again.checks.map(({ name }) => name)).toEqual(cold.checks.map(({ name }) => name));
  expect(again.checks.filter(({ ok }) => !ok)).toEqual([]);
}

/** The recipes that checks were made for. */
export function recipesOf({ checks }: Built): readonly string[] {
  return [...new Set(checks.map(({ name }) => name.split('/')[0] ?? ''))];
}
