// npm run bench [-- --only cold-short,ova --rounds 2 --output folder --work folder]
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { describeMachine } from './machine.ts';
import { type Recorded, renderReport } from './report.ts';
import { isMet } from './results.ts';
import type { Scenario } from './scenario.ts';
import { coldShort, coldWhole } from './scenarios/cold.ts';
import { resumeFailed } from './scenarios/failed.ts';
import { noChange } from './scenarios/no-change.ts';
import { oneRecipe } from './scenarios/one-recipe.ts';
import { ova } from './scenarios/ova.ts';
import { otherPackages } from './scenarios/packages.ts';
import { parallel } from './scenarios/parallel.ts';
import { BENCH, cleanUp, prepare } from './workspace.ts';

/** In the order of the report; cold-whole before one-recipe, which takes the peer's time from it. */
const SCENARIOS: readonly Scenario[] = [coldShort, coldWhole, otherPackages, oneRecipe, noChange, resumeFailed, ova, parallel];

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    rounds: { type: 'string' },
    output: { type: 'string', default: BENCH },
    work: { type: 'string' },
    keep: { type: 'boolean', default: false },
  },
});
const output = resolve(values.output);
const chosen = choose(values.only);
const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
if (rounds !== undefined && !(Number.isInteger(rounds) && rounds > 0)) throw new Error('--rounds takes a number of 1 and more');

const controller = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => controller.abort(new Error(`stopped by ${signal}`)));

mkdirSync(output, { recursive: true });
const file = join(output, 'results.json');
const recorded = new Map<string, Recorded>(Object.entries(readResults(file)));
const bench = await prepare(controller.signal, values.work === undefined ? undefined : resolve(values.work));
const machine = describeMachine(bench.accelerator);
let failures = 0;
try {
  for (const scenario of chosen) {
    bench.say(`\n── ${scenario.name}: ${scenario.title}`);
    const start = performance.now();
    try {
      const earlier = new Map(
        [...recorded].flatMap(([name, { outcome }]) => (outcome === undefined ? [] : [[name, outcome] as const])),
      );
      const outcome = await scenario.run(bench, rounds ?? scenario.rounds, earlier);
      for (const verdict of outcome.verdicts)
        bench.say(`  ${isMet(verdict) ? 'met   ' : 'MISSED'} ${verdict.what}: ${verdict.got.median.toFixed(2)} ${verdict.unit}`);
      record(scenario, { outcome, minutes: (performance.now() - start) / 60_000 });
    } catch (error) {
      controller.signal.throwIfAborted();
      failures++;
      const reason = error instanceof Error ? error.message : String(error);
      bench.say(`  FAILED: ${reason}`);
      record(scenario, { failure: reason, minutes: (performance.now() - start) / 60_000 });
    }
  }
} finally {
  if (values.keep) bench.say(`kept ${bench.work}`);
  else cleanUp(bench);
}
bench.say(`\n${join(output, 'RESULTS.md')}`);
process.exitCode = failures === 0 ? 0 : 1;

/** After each scenario, so that a run that is stopped loses only the one it was at. */
function record(scenario: Scenario, result: Pick<Recorded, 'outcome' | 'failure' | 'minutes'>): void {
  recorded.set(scenario.name, { title: scenario.title, date: new Date().toISOString().slice(0, 10), machine, ...result });
  writeFileSync(file, `${JSON.stringify(Object.fromEntries(recorded), undefined, 1)}\n`);
  const ordered = SCENARIOS.flatMap(({ name }): readonly (readonly [string, Recorded])[] => {
    const found = recorded.get(name);
    return found === undefined ? [] : [[name, found]];
  });
  writeFileSync(join(output, 'RESULTS.md'), renderReport(new Map(ordered)));
}

function choose(only: string | undefined): readonly Scenario[] {
  if (only === undefined) return SCENARIOS;
  return only.split(',').map((name) => {
    const found = SCENARIOS.find((scenario) => scenario.name === name);
    if (found === undefined) throw new Error(`no scenario ${name}; there are ${SCENARIOS.map(({ name }) => name).join(', ')}`);
    return found;
  });
}

function readResults(path: string): Readonly<Record<string, Recorded>> {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Record<string, Recorded>;
  } catch {
    return {};
  }
}
