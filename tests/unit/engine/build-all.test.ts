import { createHash, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type BaseSource, type BuildEvent, KibError } from '../../../src/core/index.ts';
import { type BuildAllOptions, buildAll } from '../../../src/engine/build-all.ts';
import { bad, fakePrograms, list } from '../../support/house.ts';
import { serve, startServer } from '../../support/http-server.ts';
import { images } from '../../support/images.ts';

beforeAll(fakePrograms);

const options = (parallel: number, rest: Partial<BuildAllOptions> = {}): BuildAllOptions => ({
  parallel,
  signal: new AbortController().signal,
  ...rest,
});

async function collect(events: AsyncIterable<BuildEvent>): Promise<readonly BuildEvent[]> {
  const all: BuildEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

/** Resolves once it was opened; `arrived` once so many wait. */
function gate(count: number) {
  let waiting = 0;
  let open: () => void = () => {};
  let arrive: () => void = () => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  const arrived = new Promise<void>((resolve) => (arrive = resolve));
  return {
    open: () => open(),
    arrived,
    wait: async () => {
      if (++waiting === count) arrive();
      await opened;
    },
  };
}

describe('several builds', () => {
  it('go on when one fails, no more at once than asked for', async () => {
    const here = await images();
    const requests = [here.request('one'), here.request('two', { recipes: [bad] }), here.request('three')];
    let most = 0;
    const all = buildAll(requests, options(2, { onStart: () => (most = Math.max(most, all.running().length)) }));
    const events = await collect(all);
    const results = await all.results;
    expect(results.map(({ request, status }) => [request.image.name, status])).toEqual([
      ['one', 'done'],
      ['two', 'failed'],
      ['three', 'done'],
    ]);
    expect(results[1]).toMatchObject({ error: { code: 'KIB_ACTION_FAILED' } });
    expect(most).toBe(2);
    expect(all.running()).toEqual([]);
    expect(await list(here.outputDir)).toEqual(['one', 'three']);
    expect(await list(join(here.cacheHome, 'work'))).toEqual([]);
    for (const { id, request } of results) {
      expect(id).toMatch(new RegExp(`^[0-9]{8}-[0-9]{6}-${request.image.name}-[0-9a-f]{4}$`));
      const own = events.filter(({ build }) => build === id);
      expect(own.map(({ seq }) => seq)).toEqual(own.map((_, index) => index + 1));
      expect(own.at(-1)).toMatchObject({ type: 'span.end', span: 1 });
    }
    expect(await collect(all)).toEqual([]);
  });

  it('begin in order and are told as they end', async () => {
    const here = await images();
    const told: string[] = [];
    const all = buildAll(
      [here.request('slow'), here.request('broken', { recipes: [bad] }), here.request('last', { recipes: [bad] })],
      options(1, {
        onStart: (_, request) => told.push(`start ${request.image.name}`),
        onEnd: ({ request, status }) => told.push(`${status} ${request.image.name}`),
      }),
    );
    await all.results;
    expect(told).toEqual(['start slow', 'done slow', 'start broken', 'failed broken', 'start last', 'failed last']);
  });

  it('are all cancelled by one signal, and those that wait never begin', async () => {
    const { arrived, wait, open } = gate(2);
    const here = await images((step) => (step === 'endpoint' ? wait() : undefined));
    const interrupt = new AbortController();
    const all = buildAll(
      ['one', 'two', 'three'].map((name) => here.request(name)),
      options(2, { signal: interrupt.signal }),
    );
    await arrived;
    const held = all.running().map((build) => build.held());
    interrupt.abort(new KibError('KIB_CANCELLED', 'interrupted by the test'));
    open();
    const results = await all.results;
    const machine = expect.arrayContaining([expect.stringMatching(/^machine fake-[12]$/)]);
    expect(held).toEqual([machine, machine]);
    expect(results.map(({ status }) => status)).toEqual(['failed', 'failed', 'not-started']);
    for (const { status, ...rest } of results) {
      expect(rest, status).toMatchObject({
        error: { code: 'KIB_CANCELLED', message: 'interrupted by the test', suppressed: [] },
      });
    }
    // What one failed of meanwhile must not be told of another.
    expect(new Set(results.map((build) => (build.status === 'done' ? undefined : build.error))).size).toBe(3);
    expect([...here.fake.running.keys()]).toEqual([]);
    expect(await list(join(here.cacheHome, 'work'))).toEqual([]);
    expect(await list(join(here.stateHome, 'builds'))).toHaveLength(2);
    expect(await list(here.outputDir)).toEqual([]);
  });

  it('are refused before anything starts when two would write to one folder', async () => {
    const here = await images();
    const twice = [
      here.request('one'),
      here.request('two'),
      { ...here.request('one'), outputDir: `${here.outputDir}/../output` },
    ];
    expect(() => buildAll(twice, options(1))).toThrow(
      `name: two images would be written to ${join(here.outputDir, 'one')} (give one of them a name)`,
    );
    expect(await list(here.dir)).toEqual(['base.raw']);
    const apart = [here.request('one'), { ...here.request('one', { recipes: [bad] }), outputDir: join(here.dir, 'other') }];
    expect((await buildAll(apart, options(2)).results).map(({ status }) => status)).toEqual(['done', 'failed']);
  });

  it('of a great number make Node warn of nothing', async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error) => warnings.push(warning);
    process.on('warning', onWarning);
    onTestFinished(() => void process.off('warning', onWarning));
    const count = 15;
    const { arrived, wait, open } = gate(count);
    const here = await images((step) => (step === 'launch' ? wait() : undefined));
    const interrupt = new AbortController();
    const names = Array.from({ length: count }, (_, index) => `image-${index}`);
    const all = buildAll(
      names.map((name) => here.request(name)),
      options(count, { signal: interrupt.signal }),
    );
    await arrived;
    interrupt.abort();
    open();
    expect(new Set((await all.results).map(({ status }) => status))).toEqual(new Set(['failed']));
    expect(warnings).toEqual([]);
  });
});

describe('builds at once', () => {
  it('download their common base once, and share nothing else', async () => {
    const here = await images();
    const bytes = randomBytes(1 << 20);
    // Slow enough for the other build to come upon it.
    await using server = await startServer((req, res) => void setTimeout(() => serve(req, res, { bytes, etag: '"1"' }), 300));
    const hex = createHash('sha256').update(bytes).digest('hex');
    const base: BaseSource = {
      kind: 'cloud-image',
      url: `${server.url}/base.raw`,
      format: 'raw',
      checksum: { kind: 'pinned', digest: { algorithm: 'sha256', hex } },
    };
    const all = buildAll(
      ['one', 'two', 'three'].map((name) => here.request(name, { base })),
      options(3),
    );
    const events = await collect(all);
    const results = await all.results;
    expect(results.map((build) => (build.status === 'done' ? 'done' : build.error))).toEqual(['done', 'done', 'done']);
    expect(server.requests.map(({ method, url }) => `${method} ${url}`)).toEqual(['GET /base.raw']);
    const downloads = events.filter((event) => event.type === 'span.start' && event.name === 'base.raw');
    const ends = downloads.map(({ build, span }) =>
      events.find((event) => event.type === 'span.end' && event.build === build && event.span === span),
    );
    expect(ends.map((event) => (event?.type === 'span.end' ? event.status : '')).sort()).toEqual(['cached', 'cached', 'ok']);
    const acquired = results.map((build) => (build.status === 'done' ? build.result.logs : ''));
    expect(new Set(acquired).size).toBe(3);
    expect(await list(here.outputDir)).toEqual(['one', 'three', 'two']);
  });

  it('make a layer that they have in common once', async () => {
    const here = await images();
    const all = buildAll(
      ['one', 'two', 'three'].map((name) => here.request(name, { cache: 'auto' })),
      options(3),
    );
    const events = await collect(all);
    const results = await all.results;
    expect(results.map((build) => (build.status === 'done' ? 'done' : build.error))).toEqual(['done', 'done', 'done']);
    const hellos = events.filter((event) => event.type === 'span.start' && event.name === 'say hello');
    expect(hellos).toHaveLength(1);
    const layers = await list(join(here.cacheHome, 'layers'));
    expect(layers.filter((name) => name.includes('.part'))).toEqual([]);
    expect(layers.some((name) => /^[0-9a-f]{64}$/.test(name))).toBe(true);
  });
});
