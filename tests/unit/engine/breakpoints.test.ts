import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Action, KibError, sh } from '../../../src/core/index.ts';
import type { Breakpoint } from '../../../src/engine/request.ts';
import { exec, expectNothingLeft, fakePrograms, type HouseOptions, newHouse, type Outcome, recipe } from '../../support/house.ts';

beforeAll(fakePrograms);

const pausing: Action = { kind: 'breakpoint', title: 'look', message: 'look at /etc', timeoutMs: 60_000 };
const recipes = [
  recipe('one', [exec('say one')]),
  recipe('two', [exec('say two'), pausing, exec('say more')]),
  recipe('three', [exec('say three')]),
];

const spansOf = ({ events }: Outcome) => {
  const names = new Map(events.flatMap((event) => (event.type === 'span.start' ? [[event.span, event.name] as const] : [])));
  return events.flatMap((event) => (event.type === 'span.end' ? [`${names.get(event.span) ?? 'build'} ${event.status}`] : []));
};
const layerNames = async (cacheHome: string) =>
  (await readdir(join(cacheHome, 'layers')).catch(() => [])).filter((name) => !name.startsWith('.'));

const paused = (options: HouseOptions = {}) => {
  const seen: Breakpoint[] = [];
  const pause = async (breakpoint: Breakpoint) => {
    seen.push(breakpoint);
    expect(existsSync(breakpoint.access.keyFile)).toBe(true);
  };
  return { seen, options: { recipes, pause, ...options } };
};

describe('a breakpoint', () => {
  it('hands over the machine and goes on when told', async () => {
    const { seen, options } = paused();
    const home = await newHouse(options);
    const outcome = await home.run();
    expect(outcome.error).toBeUndefined();
    expect(seen).toMatchObject([
      { message: 'look at /etc', access: { build: outcome.id, username: 'kib', endpoint: { host: '127.0.0.1' } } },
    ]);
    await expectNothingLeft(home, outcome);
  });

  it('keeps no layer from itself on, and pauses in every build', async () => {
    const { seen, options } = paused();
    const home = await newHouse(options);
    expect((await home.run()).error).toBeUndefined();
    expect(await layerNames(home.cacheHome)).toHaveLength(2);
    const again = await newHouse({ ...options, base: home.base, cacheHome: home.cacheHome });
    const outcome = await again.run();
    expect(outcome.error).toBeUndefined();
    expect(spansOf(outcome)).toEqual(expect.arrayContaining(['one cached', 'two ok', 'three ok']));
    expect(seen).toHaveLength(2);
  });

  it('makes an image that is not taken for one without, nor the other way round', async () => {
    const { options } = paused();
    const home = await newHouse(options);
    expect((await home.run()).error).toBeUndefined();
    expect((await home.run()).error).toMatchObject({
      code: 'KIB_OUTPUT_EXISTS',
      message: expect.stringContaining('breakpoint') as string,
    });
    const rest = {
      ...options,
      base: home.base,
      cacheHome: home.cacheHome,
      outputDir: home.outputDir,
      onBreakpoint: 'skip' as const,
    };
    expect((await (await newHouse(rest)).run()).error).toMatchObject({ code: 'KIB_OUTPUT_EXISTS' });
  });

  it('is passed by when told to, and then changes nothing', async () => {
    const { seen, options } = paused({ onBreakpoint: 'skip' });
    const home = await newHouse(options);
    const outcome = await home.run();
    expect(outcome.error).toBeUndefined();
    expect(spansOf(outcome)).toContain('look skipped');
    expect(seen).toEqual([]);
    expect(await layerNames(home.cacheHome)).toHaveLength(4);
    expect((await home.run()).result).toMatchObject({ isUnchanged: true });
  });

  it('is not reached when its test succeeds', async () => {
    const { seen, options } = paused({ recipes: [recipe('one', [{ ...pausing, unless: sh`true` }])] });
    expect((await (await newHouse(options)).run()).error).toBeUndefined();
    expect(seen).toEqual([]);
  });

  it('is refused before anything starts when nobody can go on', async () => {
    const home = await newHouse({ recipes });
    const outcome = await home.run();
    expect(outcome.error).toMatchObject({
      code: 'KIB_BREAKPOINT',
      hint: expect.stringContaining('--on-breakpoint skip') as string,
    });
    expect(home.steps).not.toContain('launch');
    const strict = await newHouse({ ...paused().options, cache: 'strict' });
    expect((await strict.run()).error).toMatchObject({ code: 'KIB_CACHE_MISS' });
    await expectNothingLeft(home, outcome);
  });

  it('is given up at its deadline, and when the build is interrupted', async () => {
    const forEver = ({ signal }: Breakpoint) =>
      new Promise<void>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
    const late = await newHouse({ recipes, pause: forEver });
    const outcome = await late.run();
    expect(outcome.error).toMatchObject({
      code: 'KIB_BREAKPOINT',
      message: expect.stringContaining('nobody went on within') as string,
    });
    await expectNothingLeft(late, outcome);
    const home: Awaited<ReturnType<typeof newHouse>> = await newHouse({
      recipes,
      pause: (breakpoint) => {
        home.controller.abort(new KibError('KIB_CANCELLED', 'interrupted: test'));
        return forEver(breakpoint);
      },
    });
    const interrupted = await home.run();
    expect(interrupted.error).toMatchObject({ code: 'KIB_CANCELLED' });
    await expectNothingLeft(home, interrupted);
  });

  it('keeps the machine when that is asked for and nobody goes on', async () => {
    const pause = () => Promise.reject(new KibError('KIB_BREAKPOINT', 'no'));
    const home = await newHouse({ recipes, pause, onError: 'keep' });
    expect((await home.run()).error).toMatchObject({ code: 'KIB_BREAKPOINT' });
    expect([...home.fake.running.keys()]).toHaveLength(1);
  });
});
