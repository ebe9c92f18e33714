import { basename } from 'node:path';
import pc from 'picocolors';
import {
  type Artifact,
  type CheckResult,
  formatBytes,
  formatDuration,
  type RemoteImage,
  type SpanKind,
  type SpanStatus,
} from '../core/index.ts';
import { clean, cleanLines, pad, width } from './text.ts';

/** What the report tells of a finished build; the engine's BuildResult is one. */
export interface ReportedBuild {
  readonly id: string;
  readonly name: string;
  readonly outputDir: string;
  readonly artifacts: readonly Artifact[];
  readonly images: readonly RemoteImage[];
  readonly checks: readonly CheckResult[];
  readonly isVerified: boolean;
  /** Whether the files are those of an earlier build, since nothing had changed. */
  readonly isUnchanged: boolean;
  /** When that build made them, ISO 8601. */
  readonly builtAt?: string;
  readonly phases: readonly {
    readonly kind: SpanKind;
    readonly name: string;
    readonly ms: number;
    readonly status: SpanStatus;
  }[];
  readonly logs: string;
  readonly ms: number;
}

export interface ReportOptions {
  readonly colour: boolean;
  /** What else to know of the result: how old something is that it was made of. */
  readonly notes?: readonly string[];
}

/** The table at the end of a build: files, times, checks. Ends in a newline. */
export function renderReport(result: ReportedBuild, options: ReportOptions): string {
  const colours = pc.createColors(options.colour);
  const notes = options.notes ?? [];
  const sections = [
    [colours.bold(result.name)],
    ...(result.isUnchanged ? [[unchanged(result)]] : []),
    ...(notes.length === 0 ? [] : [notes.map((note) => `${colours.yellow('!')} ${cleanLines(note).join(' ')}`)]),
    ...(result.artifacts.length === 0 ? [] : [['Files', ...files(result, colours)]]),
    ...(result.images.length === 0 ? [] : [['Images', ...images(result)]]),
    ['Time', ...times(result, colours)],
    checks(result, colours),
    [`Output  ${result.outputDir}`, `Logs    ${result.logs}`],
  ];
  return `${sections.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

function unchanged({ builtAt }: ReportedBuild): string {
  const since = builtAt === undefined ? 'the files were made' : `${builtAt.slice(0, 16).replace('T', ' ')} UTC`;
  return `Nothing changed since ${since}; checksums verified`;
}

type Colours = ReturnType<typeof pc.createColors>;

function files(result: ReportedBuild, { dim }: Colours): string[] {
  const rows = result.artifacts.map((artifact) => [artifact.format, formatBytes(artifact.bytes), basename(artifact.path)]);
  return table(rows, [1]).flatMap((row, index) => [row, dim(`    sha256 ${result.artifacts[index]?.sha256}`)]);
}

function images(result: ReportedBuild): string[] {
  return table(
    result.images.map(({ format, id, location }) => [format, clean(id), clean(location)]),
    [],
  );
}

function times(result: ReportedBuild, { dim }: Colours): string[] {
  const rows = result.phases.map(({ kind, name, ms, status }) => [
    kind,
    clean(name),
    formatDuration(ms),
    ...(status === 'ok' ? [] : [status]),
  ]);
  const lines = table([...rows, ['total', '', formatDuration(result.ms)]], [2]);
  // Exports run side by side, so the parts may add up to more than the whole.
  return [...lines.slice(0, -1), dim(lines.at(-1) ?? '')];
}

function checks(result: ReportedBuild, { green, red, dim }: Colours): string[] {
  if (!result.isVerified) return ['Checks  the finished image was not verified'];
  const failed = result.checks.filter((check) => !check.ok);
  const passed = result.checks.filter((check) => check.ok);
  const title = `Checks  ${passed.length} passed${failed.length === 0 ? '' : `, ${red(`${failed.length} failed`)}`}`;
  const titleCells = Math.max(0, ...result.checks.map((check) => width(clean(check.title))));
  const failures = failed.flatMap((check) => [
    `  ${red('✗')} ${clean(check.title)}`,
    ...cleanLines(check.detail).map((line) => `      ${line}`),
  ]);
  const passes = passed.map((check) => {
    const [detail = ''] = cleanLines(check.detail);
    return `  ${green('✓')} ${pad(clean(check.title), titleCells)}  ${dim(detail)}`.trimEnd();
  });
  return [title, ...failures, ...passes];
}

/** Rows in aligned columns, indented; `right` names the columns that are flushed right. */
function table(rows: readonly (readonly string[])[], right: readonly number[]): string[] {
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, column) => Math.max(0, ...rows.map((row) => width(row[column] ?? ''))));
  return rows.map((row) => {
    const cells = row.map((text, column) => {
      const cells = widths[column] ?? 0;
      return right.includes(column) ? ' '.repeat(cells - width(text)) + text : pad(text, cells);
    });
    return `  ${cells.join('  ')}`.trimEnd();
  });
}
