import type pc from 'picocolors';
import { type BuildEvent, formatDuration, type SpanStatus } from '../core/index.ts';
import type { LiveLine } from './live-area.ts';
import { formatSeconds } from './progress.ts';
import type { OpenSpan } from './span-tree.ts';
import { clean, cleanLines, cut, pad, width } from './text.ts';

export type Colours = ReturnType<typeof pc.createColors>;

/** Names of what has finished are padded to this, so that times stand in a column. */
const NAME_CELLS = 36;

/** What stays on the screen of an event that is worth it: a warning, something left behind, a failed check. */
export function lastingLines(event: BuildEvent, colours: Colours): readonly string[] {
  if (event.type === 'warning') return warning(event.message, event.hint, colours);
  if (event.type === 'resource' && event.action === 'leaked')
    return warning(`could not be cleaned up: ${event.id}`, 'kib-native gc', colours);
  if (event.type === 'check' && !event.result.ok) {
    const { title, detail } = event.result;
    return [`${colours.red('✗')} ${clean(title)}: ${cleanLines(detail).join(' ')}`];
  }
  // Nothing differs from an empty cache.
  if (event.type === 'cache.miss' && event.diff.length > 0)
    return missLines(event.layer, event.reason, event.diff).map(colours.dim);
  return [];
}

/** Lines of a difference that are shown; `kib-native cache why` shows all. */
const MAX_DIFF_LINES = 10;

/** Why a layer is made, and what differs from the one in the cache. */
export function missLines(layer: string, reason: string, diff: readonly string[]): readonly string[] {
  const shown = diff.slice(0, MAX_DIFF_LINES).map((line) => `  ${clean(line)}`);
  const rest = diff.length > shown.length ? [`  … and ${diff.length - shown.length} more lines`] : [];
  return [`layer ${clean(layer)} is made anew: ${cleanLines(reason).join(' ')}`, ...shown, ...rest];
}

function warning(message: string, hint: string | undefined, { yellow, dim }: Colours): readonly string[] {
  const [first = '', ...more] = cleanLines(message);
  return [
    `${yellow('!')} ${first}`,
    ...more.map((line) => `  ${line}`),
    ...cleanLines(hint ?? '').map((line) => dim(`  ${line}`)),
  ];
}

/** `✓ seal and power off                       12.4 s (cached)`. */
export function endedLine(label: string, status: SpanStatus, ms: number, colours: Colours): string {
  const { dim } = colours;
  const remark = status === 'ok' || status === 'failed' ? '' : ` ${dim(`(${status})`)}`;
  return `${statusMark(status, colours)} ${pad(label, NAME_CELLS)}  ${dim(formatDuration(ms).padStart(12))}${remark}`;
}

export function statusMark(status: SpanStatus, { green, red, yellow, dim }: Colours): string {
  return { ok: green('✓'), cached: green('✓'), skipped: dim('-'), failed: red('✗'), cancelled: yellow('✗') }[status];
}

/** What is being done on the left, how far it is on the right, cut to so many cells. */
export function spanLine(left: string, span: OpenSpan, now: number, columns: number, { dim }: Colours): LiveLine {
  const details = [span.progress?.describe(now), span.note, formatSeconds(now - span.startedAt)];
  const right = `  ${details.filter((text) => text !== undefined && text !== '').join(' · ')}`;
  const start = cut(left, Math.max(columns - width(right), Math.floor(columns / 2)));
  const tail = cut(right, columns - width(start));
  return { text: start + dim(tail), cells: width(start) + width(tail) };
}

export function dimmedLine(line: string, columns: number, { dim }: Colours): LiveLine {
  const text = cut(line, columns);
  return { text: dim(text), cells: width(text) };
}
