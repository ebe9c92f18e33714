import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MarkerParser, markerPrefix, type ScriptEvent } from '../../../src/engine/markers.ts';

const NONCE = 'c0ffee';

/** The bytes a script writes for these events. */
function write(events: readonly ScriptEvent[]): Buffer {
  return Buffer.concat(
    events.map((event) => {
      if (event.kind === 'output') return event.bytes;
      return Buffer.from(`${markerPrefix(NONCE)}${Object.values(event).join(' ')}\n`, 'latin1');
    }),
  );
}

/** Reads bytes cut at these places, adjacent outputs joined. */
function read(bytes: Buffer, cuts: readonly number[] = []): readonly ScriptEvent[] {
  const parser = new MarkerParser(NONCE);
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  const events = places.slice(1).flatMap((place, index) => parser.push(bytes.subarray(places[index], place)));
  return join([...events, ...parser.end()]);
}

function join(events: readonly ScriptEvent[]): readonly ScriptEvent[] {
  const joined: ScriptEvent[] = [];
  for (const event of events) {
    const last = joined.at(-1);
    if (event.kind === 'output' && last?.kind === 'output') {
      joined[joined.length - 1] = { kind: 'output', bytes: Buffer.concat([last.bytes, event.bytes]) };
    } else if (event.kind !== 'output' || event.bytes.length > 0) joined.push(event);
  }
  return joined;
}

const number = fc.nat({ max: 1_000_000 });
const marker: fc.Arbitrary<ScriptEvent> = fc.oneof(
  fc.record({ kind: fc.constant('begin' as const), pid: fc.integer({ min: 1, max: 4_194_304 }) }),
  fc.record({ kind: fc.constant('start' as const), step: number, attempt: fc.integer({ min: 1, max: 10 }) }),
  fc.record({ kind: fc.constant('stderr' as const), step: number }),
  fc.record({ kind: fc.constant('end' as const), step: number, exitCode: fc.nat({ max: 255 }), ms: number }),
  fc.record({ kind: fc.constant('done' as const) }),
);
/** Anything, with a liking for what looks like a marker. */
const bytes = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 40 }).map((data) => Buffer.from(data)),
      fc
        .constantFrom(
          '\x1e',
          '\x1ekib:',
          markerPrefix('deadbeef'),
          `${markerPrefix('deadbeef')}end 0 0 1\n`,
          'kib:c0ffee:done\n',
          '\n',
          '\x1e\x1e\x1ekib',
        )
        .map((text) => Buffer.from(text, 'latin1')),
    ),
    { maxLength: 6 },
  )
  .map((parts) => Buffer.concat(parts));
const output: fc.Arbitrary<ScriptEvent> = bytes.map((data) => ({ kind: 'output' as const, bytes: data }));
// Output that holds this run's own prefix is a marker by right: nobody but the script knows the nonce.
const isHonest = (event: ScriptEvent) => event.kind !== 'output' || !event.bytes.includes(markerPrefix(NONCE));
const stream = fc.array(fc.oneof(marker, output), { maxLength: 20 }).filter((events) => join(events).every(isHonest));
const cuts = fc.array(fc.nat({ max: 5000 }), { maxLength: 30 });

describe('MarkerParser', () => {
  it('gives back every event and every byte, however the stream is cut', () => {
    fc.assert(
      fc.property(stream, cuts, (events, places) => {
        expect(read(write(events), places)).toEqual(join(events));
      }),
      { numRuns: 500 },
    );
  });

  it('reads a stream that comes byte by byte', () => {
    const events: ScriptEvent[] = [
      { kind: 'begin', pid: 42 },
      { kind: 'start', step: 0, attempt: 1 },
      { kind: 'output', bytes: Buffer.from('no newline at the end') },
      { kind: 'end', step: 0, exitCode: 1, ms: 10 },
    ];
    const data = write(events);
    expect(read(data, [...data.keys()])).toEqual(events);
  });

  it('hands output on at once when no marker can begin in it', () => {
    const parser = new MarkerParser(NONCE);
    expect(parser.push(Buffer.from('fetching...\n'))).toEqual([{ kind: 'output', bytes: Buffer.from('fetching...\n') }]);
    expect(parser.push(Buffer.from('50 %'))).toEqual([{ kind: 'output', bytes: Buffer.from('50 %') }]);
  });

  it.each(['end 0', 'end 0 1 2 3', 'start 0 0', 'begin', 'begin 0', 'what 1', 'end a b c', ''])(
    'takes the malformed marker "%s" for output',
    (words) => {
      const data = Buffer.from(`${markerPrefix(NONCE)}${words}\n`, 'latin1');
      expect(read(data)).toEqual([{ kind: 'output', bytes: data }]);
    },
  );

  it('does not hold back an endless line that begins like a marker', () => {
    const parser = new MarkerParser(NONCE);
    const data = Buffer.from(markerPrefix(NONCE) + 'x'.repeat(1000), 'latin1');
    expect(join(parser.push(data))).toEqual([{ kind: 'output', bytes: data }]);
  });

  it('takes a marker that was cut off for output', () => {
    const data = Buffer.from(`${markerPrefix(NONCE)}end 0 0`, 'latin1');
    expect(read(data)).toEqual([{ kind: 'output', bytes: data }]);
  });
});
