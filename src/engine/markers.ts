/** What a script tells its reader, in the order it happened. */
export type ScriptEvent =
  /** The script runs as root under this process id. */
  | { readonly kind: 'begin'; readonly pid: number }
  | { readonly kind: 'start'; readonly step: number; readonly attempt: number }
  | { readonly kind: 'output'; readonly bytes: Buffer }
  /** What follows, up to the end of the step, is the tail of its standard error. */
  | { readonly kind: 'stderr'; readonly step: number }
  | { readonly kind: 'end'; readonly step: number; readonly exitCode: number; readonly ms: number }
  | { readonly kind: 'done' };

/** First byte of every marker: RS, which programs hardly print, so that almost nothing is ever held back. */
const START = 0x1e;
/** Longest marker, from its first byte to its newline; anything longer is output. */
const MAX_MARKER_BYTES = 128;

/** What precedes a marker's words; `printf` writes it as `\036kib:<nonce>:`. */
export function markerPrefix(nonce: string): string {
  return `\x1ekib:${nonce}:`;
}

/**
 * Splits a script's standard output into markers and what the steps wrote, byte by byte exact however the chunks are cut. Text
 * that looks like a marker but lacks this run's nonce is output.
 */
export class MarkerParser {
  readonly #prefix: Buffer;
  #held: Buffer = Buffer.alloc(0);

  constructor(nonce: string) {
    this.#prefix = Buffer.from(markerPrefix(nonce), 'latin1');
  }

  push(chunk: Buffer): readonly ScriptEvent[] {
    const events: ScriptEvent[] = [];
    let rest = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    for (;;) {
      const at = rest.indexOf(START);
      if (at === -1) {
        output(events, rest);
        this.#held = Buffer.alloc(0);
        return events;
      }
      const marker = this.#markerAt(rest.subarray(at));
      if (marker === 'incomplete') {
        output(events, rest.subarray(0, at));
        this.#held = Buffer.from(rest.subarray(at));
        return events;
      }
      const taken = marker === undefined ? at + 1 : at;
      output(events, rest.subarray(0, taken));
      if (marker !== undefined) events.push(marker.event);
      rest = rest.subarray(taken + (marker?.bytes ?? 0));
    }
  }

  /** Ends the stream: a marker that never became whole was output. */
  end(): readonly ScriptEvent[] {
    const events: ScriptEvent[] = [];
    output(events, this.#held);
    this.#held = Buffer.alloc(0);
    return events;
  }

  #markerAt(bytes: Buffer): { readonly event: ScriptEvent; readonly bytes: number } | 'incomplete' | undefined {
    const prefix = this.#prefix;
    const common = Math.min(prefix.length, bytes.length);
    if (bytes.compare(prefix, 0, common, 0, common) !== 0) return undefined;
    const newline = bytes.indexOf(0x0a, common);
    if (newline === -1) return bytes.length < MAX_MARKER_BYTES ? 'incomplete' : undefined;
    const event = parseWords(bytes.subarray(prefix.length, newline).toString('latin1'));
    return event === undefined ? undefined : { event, bytes: newline + 1 };
  }
}

function parseWords(text: string): ScriptEvent | undefined {
  const match = /^([a-z]+)((?: \d{1,15})*)$/.exec(text);
  const [a = -1, b = -1, c = -1, ...more] = (match?.[2] ?? '').split(' ').slice(1).map(Number);
  if (match === null || more.length > 0) return undefined;
  switch (match[1] ?? '') {
    case 'begin':
      return a > 0 ? { kind: 'begin', pid: a } : undefined;
    case 'start':
      return b > 0 ? { kind: 'start', step: a, attempt: b } : undefined;
    case 'stderr':
      return a >= 0 ? { kind: 'stderr', step: a } : undefined;
    case 'end':
      return c >= 0 ? { kind: 'end', step: a, exitCode: b, ms: c } : undefined;
    case 'done':
      return { kind: 'done' };
    default:
      return undefined;
  }
}

/** Adds bytes to the last event when that is output, so that a chunk gives as few events as it can. */
function output(events: ScriptEvent[], bytes: Buffer): void {
  if (bytes.length === 0) return;
  const last = events.at(-1);
  if (last?.kind === 'output') events[events.length - 1] = { kind: 'output', bytes: Buffer.concat([last.bytes, bytes]) };
  else events.push({ kind: 'output', bytes });
}
