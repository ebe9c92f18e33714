import pc from 'picocolors';
import { type BuildEvent, formatBytes, formatDuration } from '../core/index.ts';
import { type OpenSpan, SpanTree } from './span-tree.ts';
import { missLines } from './terminal-lines.ts';
import { clean, cleanLines, pad, width } from './text.ts';
import { titleColour } from './titles.ts';
import type { Ui, UiOptions } from './ui.ts';

/** Progress of a span is told no more often than this. */
const PROGRESS_MS = 10_000;
/** Nor before it went on by so much, unless there was silence for a while. */
const PROGRESS_PERCENT = 10;
const SILENCE_MS = 60_000;

interface Told {
  readonly at: number;
  readonly percent: number;
}

/**
 * A log for files and CI: a line, with the time in UTC, per phase and action that ended, per warning and now and then for
 * progress. What happens while a failed build clears up stands in parentheses. Lines of several builds have the image's title in front.
 */
export class PlainUi implements Ui {
  readonly #options: UiOptions;
  readonly #builds = new Map<string, PlainBuild>();

  constructor(options: UiOptions) {
    this.#options = options;
  }

  add(build: string, title: string): void {
    const { titles = [], verbose, colour } = this.#options;
    const head = titleColour(titles.indexOf(title), pc.createColors(colour))(pad(title, Math.max(0, ...titles.map(width))));
    const prefix = titles.length > 1 ? `${head}  ` : '';
    this.#builds.set(build, new PlainBuild(verbose, (time, text) => this.#line(time, prefix + text)));
  }

  read(event: BuildEvent): void {
    if (!this.#builds.has(event.build)) this.add(event.build, '');
    this.#builds.get(event.build)?.read(event);
  }

  say(text: string): void {
    this.#line(new Date(this.#options.clock.now()).toISOString(), text);
  }

  suspend(): () => void {
    return () => {};
  }

  close(): void {}

  #line(time: string, text: string): void {
    this.#options.stderr.write(`${time.slice(11, 19)}Z ${text}\n`);
  }
}

/** What a log tells of one build. */
class PlainBuild {
  readonly #isVerbose: boolean;
  readonly #write: (time: string, text: string) => void;
  readonly #spans = new SpanTree();
  readonly #told = new Map<number, Told>();
  #lastError = '';

  constructor(isVerbose: boolean, write: (time: string, text: string) => void) {
    this.#isVerbose = isVerbose;
    this.#write = write;
  }

  read(event: BuildEvent): void {
    const span = this.#spans.read(event);
    switch (event.type) {
      case 'plan':
        this.#line(event, `plan: ${event.layers.length} layers, ${event.actions} actions, ${event.checks} checks`);
        break;
      case 'span.start':
        this.#started(event, span);
        break;
      case 'span.progress':
      case 'span.note':
        if (span !== undefined) this.#progress(event, span);
        break;
      case 'span.end':
        this.#ended(event, span);
        break;
      case 'log':
        if (this.#isVerbose) this.#line(event, `| ${clean(event.line)}`);
        break;
      case 'warning':
        this.#line(
          event,
          ['warning', ...cleanLines(event.message)].join(' ') + (event.hint === undefined ? '' : ` (${clean(event.hint)})`),
        );
        break;
      case 'cache.miss':
        for (const line of missLines(event.layer, event.reason, event.diff)) this.#line(event, line);
        break;
      case 'resource':
        this.#resource(event);
        break;
      case 'check':
        if (this.#isVerbose || !event.result.ok) {
          const { ok, title, detail } = event.result;
          this.#line(event, `${ok ? 'passed' : 'FAILED'}  check: ${clean(title)}: ${cleanLines(detail).join(' ')}`);
        }
        break;
      case 'artifact':
        this.#line(
          event,
          `wrote   ${event.artifact.format}  ${formatBytes(event.artifact.bytes)}  sha256 ${event.artifact.sha256}`,
        );
        break;
      case 'image':
        this.#line(event, `made    ${event.image.format}  ${clean(event.image.id)}  in ${clean(event.image.location)}`);
        break;
    }
  }

  #started(event: BuildEvent & { readonly type: 'span.start' }, span: OpenSpan | undefined): void {
    if (event.parent === undefined) this.#line(event, `build ${clean(event.name)} (${event.build})`);
    if (span === undefined) return;
    this.#told.set(span.id, { at: span.startedAt, percent: 0 });
    if (span.isPhase) this.#step(event, `begin   ${span.label}`);
  }

  #progress(event: BuildEvent, span: OpenSpan): void {
    const now = Date.parse(event.time);
    const percent = span.progress?.percent ?? 0;
    const told = this.#told.get(span.id) ?? { at: span.startedAt, percent: 0 };
    // The end of the span tells that all is done.
    if (percent >= 100 || now - told.at < PROGRESS_MS) return;
    const isCounted = event.type === 'span.progress' && span.progress?.percent !== undefined;
    if (isCounted && percent - told.percent < PROGRESS_PERCENT && now - told.at < SILENCE_MS) return;
    this.#told.set(span.id, { at: now, percent });
    const details = [span.progress?.describe(now) ?? '', span.note].filter((text) => text !== '');
    this.#step(event, `        ${span.label}: ${details.join(' · ')}`);
  }

  #ended(event: BuildEvent & { readonly type: 'span.end' }, span: OpenSpan | undefined): void {
    const error = this.#newError(event);
    const word = event.status === 'failed' ? 'FAILED' : event.status;
    if (span === undefined) {
      this.#line(event, `build ${word}  ${formatDuration(event.ms)}${error}`);
      return;
    }
    this.#told.delete(span.id);
    if (!span.isPhase && span.kind !== 'action' && event.status !== 'failed') return;
    this.#step(event, `${word.padEnd(7)} ${span.label}  ${formatDuration(event.ms)}${error}`);
    if (event.status !== 'failed' || span.kind !== 'action' || this.#isVerbose) return;
    for (const line of span.tail) this.#line(event, `| ${line}`);
  }

  /** The error's text, unless the span inside has just said the same. */
  #newError(event: BuildEvent & { readonly type: 'span.end' }): string {
    if (event.error === undefined || event.error.message === this.#lastError) return '';
    this.#lastError = event.error.message;
    // Only its first line; the last words of an action follow anyhow, and the whole of it is told when the build ends.
    return `: ${`${event.error.code ?? ''} ${cleanLines(event.error.message)[0] ?? ''}`.trim()}`;
  }

  #resource(event: BuildEvent & { readonly type: 'resource' }): void {
    if (event.action === 'leaked') this.#line(event, `warning could not be cleaned up: ${clean(event.id)} (kib-native gc)`);
    else if (this.#isVerbose || this.#spans.isUnwinding) this.#step(event, `${event.action} ${clean(event.id)}`);
  }

  /** A line in parentheses when the build is only clearing up any more. */
  #step(event: BuildEvent, text: string): void {
    // The phase whose failure began the clearing up is still told like any other.
    const isAside = this.#spans.isUnwinding && !(event.type === 'span.end' && event.status === 'failed');
    this.#line(event, isAside ? `(${text.trim().replaceAll(/ +/g, ' ')})` : text);
  }

  #line({ time }: BuildEvent, text: string): void {
    this.#write(time, text);
  }
}
