import { describe, expect, it } from 'vitest';
import { type BuildEvent, KibError } from '../../../src/core/index.ts';
import { EventStream } from '../../../src/engine/events.ts';
import { FakeClock } from '../../support/fake-clock.ts';

function setup() {
  const clock = new FakeClock();
  const stream = new EventStream('build-1', clock);
  const events: BuildEvent[] = [];
  stream.subscribe((event) => events.push(event));
  return { clock, stream, root: stream.root, events };
}

/** The events without their envelope. */
function bodies(events: readonly BuildEvent[]): object[] {
  const envelope = new Set(['v', 'seq', 'time', 'build', 'span', 'parent']);
  return events.map((event) => Object.fromEntries(Object.entries(event).filter(([key]) => !envelope.has(key))));
}

describe('spans', () => {
  it('nest, count and time themselves', async () => {
    const { clock, root, events } = setup();
    const result = await root.run('layer', 'cni', (layer) =>
      layer.run('action', 'unpack', async (action) => {
        await clock.advance(250);
        action.log('guest', 'x bridge');
        return 42;
      }),
    );
    expect(result).toBe(42);
    expect(events.map(({ seq, span, parent, type }) => [seq, span, parent, type])).toEqual([
      [1, 2, 1, 'span.start'],
      [2, 3, 2, 'span.start'],
      [3, 3, 2, 'log'],
      [4, 3, 2, 'span.end'],
      [5, 2, 1, 'span.end'],
    ]);
    expect(events[3]).toEqual({
      v: 1,
      seq: 4,
      time: '2026-01-01T00:00:00.250Z',
      build: 'build-1',
      span: 3,
      parent: 2,
      type: 'span.end',
      status: 'ok',
      ms: 250,
    });
  });

  it('run side by side', async () => {
    const { clock, root, events } = setup();
    const work = Promise.all([
      root.run('export', 'qcow2', () => clock.sleep(20)),
      root.run('export', 'ova', () => clock.sleep(10)),
    ]);
    await clock.run(work);
    expect(events.map(({ span, type }) => `${span} ${type}`)).toEqual([
      '2 span.start',
      '3 span.start',
      '3 span.end',
      '2 span.end',
    ]);
  });

  it.each([
    ['a KibError', new KibError('KIB_HTTP', 'got 404'), { status: 'failed', error: { message: 'got 404', code: 'KIB_HTTP' } }],
    ['any error', new TypeError('oops'), { status: 'failed', error: { message: 'oops' } }],
    [
      'an abort',
      new KibError('KIB_CANCELLED', 'stop'),
      { status: 'cancelled', error: { message: 'stop', code: 'KIB_CANCELLED' } },
    ],
  ])('end and throw on with %s', async (_, error, end) => {
    const { root, events } = setup();
    await expect(root.run('fetch', 'base', () => Promise.reject(error))).rejects.toBe(error);
    expect(bodies(events)).toEqual([
      { type: 'span.start', kind: 'fetch', name: 'base' },
      { type: 'span.end', ms: 0, ...end },
    ]);
  });

  it('end once when the work throws before its first await', async () => {
    const { root, events } = setup();
    const work = root.run('fetch', 'base', () => {
      throw new Error('at once');
    });
    await expect(work).rejects.toThrow('at once');
    expect(events.map((event) => event.type)).toEqual(['span.start', 'span.end']);
  });

  it('end cached or skipped when marked, but failed when they fail', async () => {
    const { root, events } = setup();
    await root.run('layer', 'a', async (span) => span.mark('cached'));
    await root.run('layer', 'b', async (span) => span.mark('skipped'));
    const failing = root.run('layer', 'c', async (span) => {
      span.mark('cached');
      throw new Error('x');
    });
    await expect(failing).rejects.toThrow('x');
    expect(events.flatMap((event) => (event.type === 'span.end' ? [event.status] : []))).toEqual(['cached', 'skipped', 'failed']);
  });

  it('say the small things', async () => {
    const { root, events } = setup();
    root.progress(1, undefined, 'bytes');
    root.progress(1, 2, 'actions');
    root.note('kernel');
    root.warn('KIB_X', 'careful');
    root.warn('KIB_X', 'careful');
    root.warn('KIB_X', 'more careful', 'do this');
    expect(bodies(events)).toEqual([
      { type: 'span.progress', done: 1, unit: 'bytes' },
      { type: 'span.progress', done: 1, total: 2, unit: 'actions' },
      { type: 'span.note', text: 'kernel' },
      { type: 'warning', code: 'KIB_X', message: 'careful' },
      // The same warning is told once.
      { type: 'warning', code: 'KIB_X', message: 'more careful', hint: 'do this' },
    ]);
  });
});

describe('readers', () => {
  it('stop when they like', () => {
    const { stream, root, events } = setup();
    const seen: BuildEvent[] = [];
    const stop = stream.subscribe((event) => seen.push(event));
    root.note('a');
    stop();
    root.note('b');
    expect([seen.length, events.length]).toEqual([1, 2]);
  });

  it('that throw are dropped with a warning, and disturb neither the build nor the others', async () => {
    const { stream, root, events } = setup();
    let calls = 0;
    stream.subscribe(() => {
      calls++;
      throw new Error('no space left on device');
    });
    const late: BuildEvent[] = [];
    stream.subscribe((event) => late.push(event));
    await root.run('fetch', 'base', async (span) => span.note('a'));
    expect(calls).toBe(1);
    expect(late).toEqual(events);
    expect(events.map(({ seq }) => seq)).toEqual([1, 2, 3, 4]);
    expect(events[1]).toMatchObject({ type: 'warning', code: 'KIB_READER', span: 1 });
    expect(events[1]).toMatchObject({ message: expect.stringContaining('no space left on device') as string });
  });

  it('see no login of a URL in any text', async () => {
    const { root, events } = setup();
    const text = 'open https://guest:sesame@host/';
    root.emit({ type: 'plan', layers: [text], actions: 1, checks: 1 });
    root.log('guest', text);
    root.note(text);
    root.warn('KIB_X', text, text);
    root.emit({ type: 'resource', action: 'leaked', kind: 'scope', id: text });
    root.emit({ type: 'check', result: { name: 'a', title: text, ok: false, detail: text, ms: 1 } });
    await expect(root.run('action', text, () => Promise.reject(new Error(text)))).rejects.toThrow(text);
    expect(events).toHaveLength(8);
    for (const event of events) {
      expect(JSON.stringify(event)).not.toContain('sesame');
      expect(JSON.stringify(event)).toMatch(/"open https:..\*{3}@host.?"|"a"|"span\.end"/);
    }
    expect(events[1]).toMatchObject({ type: 'log', stream: 'guest', line: 'open https://***@host/' });
  });
});

describe('iterators', () => {
  async function collect(stream: AsyncIterable<BuildEvent>, limit = Number.POSITIVE_INFINITY): Promise<BuildEvent[]> {
    const seen: BuildEvent[] = [];
    for await (const event of stream) {
      seen.push(event);
      if (seen.length >= limit) break;
    }
    return seen;
  }

  it('give every event and end with the stream', async () => {
    const { stream, root, events } = setup();
    const reading = Promise.all([collect(stream), collect(stream)]);
    for (let n = 0; n < 5; n++) {
      root.note(String(n));
      await Promise.resolve();
    }
    stream.close();
    root.note('too late');
    expect(await reading).toEqual([events, events]);
    expect(events).toHaveLength(5);
    expect(await collect(stream)).toEqual([]);
  });

  it('may be slow: what they have not read waits, except for the oldest of very many log lines', async () => {
    const { stream, root } = setup();
    const iterator = stream[Symbol.asyncIterator]();
    root.note('first');
    for (let n = 1; n <= 10_500; n++) root.log('guest', String(n));
    root.note('last');
    stream.close();
    const seen = await collect({ [Symbol.asyncIterator]: () => iterator });
    const lines = seen.flatMap((event) => (event.type === 'log' ? [event.line] : []));
    expect(lines).toHaveLength(10_000);
    expect([lines[0], lines.at(-1)]).toEqual(['501', '10500']);
    expect(seen.flatMap((event) => (event.type === 'span.note' ? [event.text] : []))).toEqual(['first', 'last']);
  });

  it('make room again when they catch up', async () => {
    const { stream, root } = setup();
    const iterator = stream[Symbol.asyncIterator]();
    for (let round = 0; round < 3; round++) {
      for (let n = 0; n < 6000; n++) root.log('guest', `${round}/${n}`);
      for (let n = 0; n < 6000; n++) {
        const { value } = await iterator.next();
        expect(value).toMatchObject({ line: `${round}/${n}` });
      }
    }
  });

  it('let go when they break off', async () => {
    const { stream, root } = setup();
    const reading = collect(stream, 2);
    for (let n = 0; n < 5; n++) root.note(String(n));
    expect(await reading).toHaveLength(2);
  });

  it('answer several waiting calls, and end them all', async () => {
    const { stream, root } = setup();
    const iterator = stream[Symbol.asyncIterator]();
    const waiting = [iterator.next(), iterator.next(), iterator.next()];
    root.note('a');
    root.note('b');
    await iterator.return?.();
    const results = await Promise.all(waiting);
    expect(results.map(({ done }) => done)).toContain(true);
    const other = stream[Symbol.asyncIterator]();
    const more = [other.next(), other.next()];
    stream.close();
    expect((await Promise.all(more)).map(({ done }) => done)).toEqual([true, true]);
  });
});
