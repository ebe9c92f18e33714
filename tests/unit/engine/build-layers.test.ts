import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Recipe } from '../../../src/core/index.ts';
import { sh } from '../../../src/core/index.ts';
import type { LayerRecord } from '../../../src/engine/layers/record.ts';
import { exec, expectNothingLeft, fakePrograms, type HouseOptions, newHouse, type Outcome, recipe } from '../../support/house.ts';

beforeAll(fakePrograms);

const one = recipe('one', [exec('say one')]);
const two = recipe('two', [exec('say two')]);
const broken = recipe('two', [exec('say two', sh`echo last words; exit 3`)]);
const changed = recipe('two', [exec('say two', sh`echo something else`)]);

const layersOf = ({ events }: Outcome) => {
  const names = new Map(
    events.flatMap((event) => (event.type === 'span.start' && event.kind === 'layer' ? [[event.span, event.name] as const] : [])),
  );
  return events.flatMap((event) =>
    event.type === 'span.end' && names.has(event.span) ? [`${names.get(event.span) ?? ''} ${event.status}`] : [],
  );
};

/** Builds into one cache, each build with an output folder of its own. */
async function sameCache() {
  const first = await newHouse({ recipes: [one, two] });
  let count = 0;
  const build = async (recipes: readonly Recipe[], options: HouseOptions = {}) => {
    const outputDir = join(first.outputDir, String(++count));
    const house = await newHouse({ recipes, cacheHome: first.cacheHome, base: first.base, outputDir, ...options });
    return { house, outcome: await house.run() };
  };
  return { build, cacheHome: first.cacheHome };
}

describe('a build with layers', () => {
  it('keeps each layer and starts on the last one when nothing changed', async () => {
    const { build, cacheHome } = await sameCache();
    const cold = await build([one, two]);
    expect(cold.outcome.error).toBeUndefined();
    expect(layersOf(cold.outcome)).toEqual(['one ok', 'two ok']);
    const kept = (await readdir(join(cacheHome, 'layers'))).filter((name) => !name.startsWith('.'));
    expect(kept).toHaveLength(3);
    const warm = await build([one, two]);
    expect(warm.outcome.error).toBeUndefined();
    expect(layersOf(warm.outcome)).toEqual(['one cached', 'two cached']);
    expect(warm.house.steps).toContain('resume');
    expect(warm.house.steps).not.toContain('launch');
    await expectNothingLeft(warm.house, warm.outcome);
    expect((await readdir(join(cacheHome, 'layers'))).filter((name) => name.startsWith('.part'))).toEqual([]);
  });

  it('sets the clock of a continued machine and lets it draw numbers of its own before anything else runs on it', async () => {
    const { build } = await sameCache();
    await build([one, two]);
    const resumed = await build([
      one,
      recipe('two', [exec('look', sh`cat "$(command -v date).asked" "$(command -v perl).asked"`)]),
    ]);
    expect(resumed.outcome.error).toBeUndefined();
    expect(resumed.house.steps).toContain('resume');
    const asked = resumed.outcome.events.flatMap((event) => (event.type === 'log' ? [event.line] : []));
    // The build's own clock, which stands at the beginning of 2026.
    expect(asked[0]).toMatch(/^--utc --set=@1767\d{6}\.\d{3}$/);
    // RNDRESEEDCRNG
    expect(asked[1]).toContain('ioctl(STDIN, 0x5207, 0)');
  });

  it('makes anew what changed, and says what that is', async () => {
    const { build } = await sameCache();
    await build([one, two]);
    const { outcome } = await build([one, changed]);
    expect(layersOf(outcome)).toEqual(['one cached', 'two ok']);
    const miss = outcome.events.find((event) => event.type === 'cache.miss');
    expect(miss).toMatchObject({ layer: 'two', reason: expect.stringContaining('two/1') as string });
    expect(miss?.type === 'cache.miss' ? miss.diff.join('\n') : '').toMatch(/- .*say two[^]*\+ .*something else/);
  });

  it('goes on after a failed layer from the last good one', async () => {
    const { build } = await sameCache();
    const failed = await build([one, broken]);
    expect(failed.outcome.error).toMatchObject({ code: 'KIB_ACTION_FAILED' });
    const fixed = await build([one, two]);
    expect(fixed.outcome.error).toBeUndefined();
    expect(layersOf(fixed.outcome)).toEqual(['one cached', 'two ok']);
  });

  it('makes a layer anew when told to start from it, with all after it', async () => {
    const { build } = await sameCache();
    await build([one, two]);
    expect(layersOf((await build([one, two], { from: 'two' })).outcome)).toEqual(['one cached', 'two ok']);
    expect(layersOf((await build([one, two], { from: 'one' })).outcome)).toEqual(['one ok', 'two ok']);
    expect(layersOf((await build([one, two])).outcome)).toEqual(['one cached', 'two cached']);
  });

  it('neither reads nor keeps layers with the cache off', async () => {
    const { build, cacheHome } = await sameCache();
    const { outcome } = await build([one, two], { cache: 'off' });
    expect(outcome.error).toBeUndefined();
    expect((await readdir(cacheHome)).includes('layers')).toBe(false);
  });

  it('refuses to make a layer when strict', async () => {
    const { build } = await sameCache();
    const cold = await build([one, two], { cache: 'strict' });
    expect(cold.outcome.error).toMatchObject({ code: 'KIB_CACHE_MISS' });
    expect(cold.house.steps).not.toContain('launch');
    await build([one, two]);
    expect((await build([one, two], { cache: 'strict' })).outcome.error).toBeUndefined();
    const { error } = (await build([one, changed], { cache: 'strict' })).outcome;
    expect(error).toMatchObject({
      code: 'KIB_CACHE_MISS',
      message: expect.stringMatching(/layer two[^]*two\/1[^]*something else/) as string,
    });
  });

  it('boots the disk of a layer whose memory cannot be loaded, and forgets that memory', async () => {
    const { build, cacheHome } = await sameCache();
    expect((await build([one, two])).outcome.error).toBeUndefined();
    const first = await build([one, two], { breakAt: 'resume' });
    expect(first.outcome.error).toBeUndefined();
    expect(layersOf(first.outcome)).toEqual(['one cached', 'two cached']);
    expect(first.house.steps).toContain('launch');
    const records = await Promise.all(
      (await readdir(join(cacheHome, 'layers')))
        .filter((name) => !name.startsWith('.'))
        .map(async (name) => JSON.parse(await readFile(join(cacheHome, 'layers', name, 'layer.json'), 'utf8')) as LayerRecord),
    );
    expect(records.map(({ name, memory }) => `${name} ${memory === undefined ? 'disk' : 'memory'}`).sort()).toEqual([
      'boot memory',
      'one memory',
      'two disk',
    ]);
  });

  it('lets two builds at once share what one of them makes', async () => {
    const { build } = await sameCache();
    const both = await Promise.all([build([one, two]), build([one, two])]);
    for (const { outcome } of both) expect(outcome.error).toBeUndefined();
    expect(both.map(({ outcome }) => layersOf(outcome).join()).sort()).toEqual(['one cached,two cached', 'one ok,two ok']);
  });
});

describe('a build of what is there already', () => {
  it('returns it when nothing changed, with its digests checked', async () => {
    const home = await newHouse({ recipes: [one] });
    expect((await home.run()).error).toBeUndefined();
    const launches = home.steps.filter((step) => step === 'launch').length;
    const again = await home.run();
    expect(again.result).toMatchObject({
      isUnchanged: true,
      artifacts: [{ path: join(home.outputDir, 'debian13', 'debian13.raw') }],
    });
    expect(home.steps.filter((step) => step === 'launch' || step === 'resume')).toHaveLength(launches);
    await expectNothingLeft(home, again);
  });

  it('refuses to replace it when an artifact or the inputs are others', async () => {
    const home = await newHouse({ recipes: [one] });
    await home.run();
    const other = await newHouse({ recipes: [two], outputDir: home.outputDir, cacheHome: home.cacheHome, base: home.base });
    const { error } = await other.run();
    expect(error).toMatchObject({ code: 'KIB_OUTPUT_EXISTS', message: expect.stringContaining('another two layer') as string });
    await writeFile(join(home.outputDir, 'debian13', 'debian13.raw'), 'something else');
    expect((await home.run()).error).toMatchObject({
      code: 'KIB_OUTPUT_EXISTS',
      message: expect.stringContaining('debian13.raw is not what was built') as string,
    });
  });
});
