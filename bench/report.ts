import { allowedDifferences } from './compare.ts';
import { isMet, type Outcome, type Sample, type Spread, spread, type Verdict } from './results.ts';

/** One scenario as results.json keeps it: an outcome, or why there is none. */
export interface Recorded {
  readonly title: string;
  /** Day of the run, `2026-11-20`. */
  readonly date: string;
  readonly machine: Readonly<Record<string, string>>;
  readonly minutes: number;
  readonly outcome?: Outcome;
  readonly failure?: string;
}

/** RESULTS.md: the goals first, then what was measured in each scenario and where the time went. */
export function renderReport(results: ReadonlyMap<string, Recorded>): string {
  const machines = new Map([...results.values()].map(({ machine }) => [JSON.stringify(machine), machine]));
  const minutes = [...results.values()].reduce((sum, { minutes }) => sum + minutes, 0);
  return [
    '# Results',
    '',
    'Written by `npm run bench`; how it is measured is in [README.md](README.md). Each number is a median, with the lowest and the highest',
    'behind it. A ratio is made of runs that followed each other, so that a slow minute of the machine slows both sides.',
    '',
    ...[...machines.values()].flatMap((machine) => table(['Machine', ''], Object.entries(machine))),
    ...table(
      ['Scenario', 'What', 'Goal', 'Result', '', 'Spread'],
      [...results].flatMap(([name, result]) => goalRows(name, result)),
    ),
    `All scenarios together took ${Math.round(minutes)} minutes.`,
    '',
    ...[...results].flatMap(([name, result]) => section(name, result)),
    '## What may differ between two images of the same system',
    '',
    ...allowedDifferences().map((line) => `- ${line}`),
    '',
  ].join('\n');
}

function goalRows(name: string, { outcome, failure }: Recorded): readonly (readonly string[])[] {
  if (outcome === undefined) return [[name, firstLine(failure ?? ''), '', '', '**failed**', '']];
  return outcome.verdicts.map((verdict, index) => [
    index === 0 ? name : '',
    verdict.what,
    `${verdict.bound === 'at least' ? '≥' : '≤'} ${verdict.goal} ${verdict.unit}`,
    amount(verdict.got.median, verdict.unit),
    isMet(verdict) ? 'met' : '**missed**',
    `${amount(verdict.got.low, verdict.unit)} – ${amount(verdict.got.high, verdict.unit)}`,
  ]);
}

function section(name: string, { title, date, minutes, outcome, failure }: Recorded): readonly string[] {
  const head = [`## ${name}`, '', `${title}. Measured on ${date}, in ${minutes.toFixed(0)} minutes.`, ''];
  if (outcome === undefined) return [...head, '```text', failure ?? '', '```', ''];
  const subjects = [...new Set(outcome.samples.map(({ subject }) => subject))];
  const rows = subjects.map((subject) => {
    const samples = outcome.samples.filter((sample) => sample.subject === subject);
    const cpu = samples.flatMap(({ cpuSeconds }) => (cpuSeconds === undefined ? [] : [cpuSeconds]));
    const peaks = samples.flatMap(({ controller }) => (controller === undefined ? [] : [controller.peakBytes / 1e6]));
    return [
      subject,
      String(samples.length),
      range(spread(samples.map(({ seconds }) => seconds))),
      cpu.length === 0 ? '' : spread(cpu).median.toFixed(1),
      peaks.length === 0 ? '' : `${spread(peaks).high.toFixed(0)} MB`,
    ];
  });
  return [
    ...head,
    ...table(['Side', 'Runs', 'Seconds', 'CPU seconds', 'Controller’s peak'], rows),
    ...subjects.flatMap((subject) => phaseTable(subject, outcome.samples)),
    ...outcome.proofs.map((proof) => `- Proof: ${proof}.`),
    ...(outcome.notes ?? []).map((note) => `- ${note}`),
    '',
  ];
}

/** Medians of the stretches of one side's runs, the longest first. */
function phaseTable(subject: string, samples: readonly Sample[]): readonly string[] {
  const phases = samples.filter((sample) => sample.subject === subject).flatMap(({ phases }) => phases ?? []);
  const names = [...new Set(phases.map(({ name }) => name))];
  if (names.length === 0) return [];
  const rows = names
    .map((name) => ({ name, ...spread(phases.filter((phase) => phase.name === name).map(({ seconds }) => seconds)) }))
    .filter(({ median }) => median >= 0.05)
    .sort((a, b) => b.median - a.median);
  return table(
    [`Where the time goes: ${subject}`, 'Seconds'],
    rows.map((row) => [row.name, range(row)]),
  );
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  const line = (cells: readonly string[]): string => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line), ''];
}

function range({ median, low, high }: Spread): string {
  return low === high ? median.toFixed(1) : `${median.toFixed(1)} (${low.toFixed(1)} – ${high.toFixed(1)})`;
}

function amount(value: number, unit: Verdict['unit']): string {
  return `${value.toFixed(unit === 'MB' ? 0 : 2)} ${unit}`;
}

function firstLine(text: string): string {
  return text.split('\n')[0] ?? '';
}
