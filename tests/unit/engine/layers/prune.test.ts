import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ifUnused } from '../../../../src/engine/layers/claims.ts';
import { leaseLayer } from '../../../../src/engine/layers/lease.ts';
import { listLayers } from '../../../../src/engine/layers/list-layers.ts';
import { type PruneOptions, pruneLayers } from '../../../../src/engine/layers/prune.ts';
import { nextVictim, orphans, type Prunable } from '../../../../src/engine/layers/prune-plan.ts';
import { removeLayer } from '../../../../src/engine/layers/remove.ts';
import { findLayer, layersDir, type StoredLayer } from '../../../../src/engine/layers/store.ts';
import { pinLayer } from '../../../../src/engine/layers/use.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { makeBase, publish } from '../../../support/layer-store.ts';
import { type TestContext, testContext } from '../../../support/test-context.ts';

const { signal } = new AbortController();
const DAY = 24 * 3_600_000;

/** Trees of up to twelve layers: each stands on an earlier one or on nothing. */
const trees = fc
  .array(
    fc.record({
      below: fc.option(fc.nat(11)),
      bytes: fc.integer({ min: 1, max: 100 }),
      usedMs: fc.nat(20),
      isInUse: fc.boolean(),
    }),
    { maxLength: 12 },
  )
  .map((given) =>
    given.map(({ below, ...rest }, index): Prunable => {
      const parent = below === null || index === 0 ? undefined : { key: `k${below % index}`, id: `id${below % index}` };
      return { ...rest, key: `k${index}`, id: `id${index}`, parent };
    }),
  );

const sum = (layers: readonly Prunable[]) => layers.reduce((total, { bytes }) => total + bytes, 0);

/** What a pruning leaves, and in which order the rest went. */
function prunedAll(layers: readonly Prunable[], maxBytes: number) {
  let left = layers;
  const gone: Prunable[] = [];
  for (let victim = nextVictim(left, maxBytes); victim !== undefined; victim = nextVictim(left, maxBytes)) {
    const taken = victim;
    left = left.filter((other) => other !== taken);
    gone.push(victim);
  }
  return { left, gone };
}

describe('which layers go', () => {
  it('never carries one that stays, nor is in use; nothing that could go is left above the limit', () => {
    fc.assert(
      fc.property(trees, fc.nat(600), (layers, maxBytes) => {
        const { left, gone } = prunedAll(layers, maxBytes);
        const keys = new Set(left.map(({ key }) => key));
        for (const { parent } of left) if (parent !== undefined) expect(keys).toContain(parent.key);
        for (const layer of gone) expect(layer.isInUse).toBe(false);
        if (sum(left) > maxBytes) {
          const carrying = new Set(left.map(({ parent }) => parent?.key));
          for (const layer of left) expect(layer.isInUse || carrying.has(layer.key)).toBe(true);
        }
      }),
    );
  });

  it('are the least recently used ones that carry nothing, and no more than need be', () => {
    fc.assert(
      fc.property(trees, fc.nat(600), (layers, maxBytes) => {
        let left = layers;
        for (const victim of prunedAll(layers, maxBytes).gone) {
          expect(sum(left)).toBeGreaterThan(maxBytes);
          const carrying = new Set(left.map(({ parent }) => parent?.key));
          const free = left.filter(({ key, isInUse }) => !isInUse && !carrying.has(key));
          expect(victim.usedMs).toBe(Math.min(...free.map(({ usedMs }) => usedMs)));
          left = left.filter((other) => other !== victim);
        }
      }),
    );
  });

  it('calls orphans exactly those that do not reach the ground over the makings they name', () => {
    fc.assert(
      fc.property(trees, fc.array(fc.nat(11)), (layers, missing) => {
        const there = layers.filter((_, index) => !missing.includes(index));
        const reaches = (layer: Prunable | undefined): boolean =>
          layer !== undefined &&
          (layer.parent === undefined ||
            reaches(there.find(({ key, id }) => key === layer.parent?.key && id === layer.parent.id)));
        expect(orphans(there)).toEqual(there.filter((layer) => !reaches(layer)));
      }),
    );
  });

  it('come to an end with layers that stand on each other', () => {
    const layer = (key: string, parent: string) => ({
      key,
      id: key,
      parent: { key: parent, id: parent },
      bytes: 1,
      usedMs: 0,
      isInUse: false,
    });
    expect(orphans([layer('a', 'b'), layer('b', 'a')])).toHaveLength(2);
  });
});

async function setup() {
  const clock = new FakeClock();
  const context = await testContext({ clock });
  onTestFinished(() => context[Symbol.asyncDispose]());
  await makeBase(context.dirs.cache);
  /** Publishes as a build that ends right away. */
  const make = async (key: string, parent?: StoredLayer): Promise<StoredLayer> => {
    const build = await buildContext(context);
    const layer = await publish({ key, disk: key.repeat(5000), ...(parent === undefined ? {} : { parent }) }, build);
    await build[Symbol.asyncDispose]();
    await clock.advance(DAY);
    return layer;
  };
  const prune = (options: Partial<PruneOptions> = {}) =>
    pruneLayers({ cacheDir: context.dirs.cache, maxBytes: 0, signal, clock, ...options });
  const there = async () => (await listLayers(context.dirs.cache, signal)).map(({ key }) => key);
  return { context, clock, make, prune, there, cache: context.dirs.cache };
}

function buildContext({ dirs, clock }: TestContext): Promise<TestContext> {
  return testContext({ cache: dirs.cache, clock });
}

describe('pruneLayers', () => {
  it('removes what was not used for longest, from the top down', async () => {
    const { make, prune, there } = await setup();
    const boot = await make('boot');
    const packages = await make('packages', boot);
    await make('old', packages);
    await make('new', packages);
    const { bytesBefore } = await prune({ dryRun: true });
    const report = await prune({ maxBytes: bytesBefore - 1 });
    const bytes = report.removed[0]?.bytes ?? 0;
    expect(report.removed).toEqual([{ key: 'old', name: 'old', image: 'debian13', bytes, reason: 'space' }]);
    expect(bytes).toBeGreaterThan(15_000);
    expect(report).toMatchObject({ bytesBefore, bytesAfter: bytesBefore - bytes });
    expect(await there()).toEqual(['boot', 'new', 'packages']);
    expect((await prune()).removed.map(({ key }) => key)).toEqual(['new', 'packages', 'boot']);
    expect(await there()).toEqual([]);
  });

  it('only looks when asked to', async () => {
    const { make, prune, there } = await setup();
    await make('boot');
    expect((await prune({ dryRun: true })).removed).toHaveLength(1);
    expect(await there()).toEqual(['boot']);
  });

  it('counts a use', async () => {
    const { context, make, prune, there } = await setup();
    const boot = await make('boot');
    const first = await make('first', boot);
    await make('second', boot);
    const build = await buildContext(context);
    await pinLayer(first, build);
    await build[Symbol.asyncDispose]();
    const { bytesBefore } = await prune({ dryRun: true });
    await prune({ maxBytes: bytesBefore - 1 });
    expect(await there()).toEqual(['boot', 'first']);
  });

  it('leaves what a build uses or makes, and what carries it', async () => {
    const { context, make, prune, there } = await setup();
    const boot = await make('boot');
    await make('used', boot);
    await make('making', boot);
    await make('idle', boot);
    await findLayer('used', context);
    const lease = await leaseLayer('making', 'making', context);
    expect((await prune()).removed.map(({ key }) => key)).toEqual(['idle']);
    await lease[Symbol.asyncDispose]();
    expect((await prune()).removed.map(({ key }) => key)).toEqual(['making']);
    expect(await there()).toEqual(['boot', 'used']);
  });

  it('removes layers that stand on nothing, whatever the limit, and what a killed process was removing', async () => {
    const { cache, make, prune, there } = await setup();
    const boot = await make('boot');
    await make('child', boot);
    await ifUnused(cache, 'x', signal, async () => {
      await mkdir(join(layersDir(cache), '.gone-0'));
      await writeFile(join(layersDir(cache), '.gone-0', 'disk.qcow2'), '');
    });
    expect(await removeLayer(cache, 'boot', 'something else')).toBe(false);
    expect(await there()).toEqual(['boot', 'child']);
    expect(await removeLayer(cache, 'boot', await readFile(join(boot.dir, 'layer.json'), 'utf8'))).toBe(true);
    expect((await prune({ maxBytes: 1e12 })).removed).toMatchObject([{ key: 'child', reason: 'orphan' }]);
    expect(await readdir(layersDir(cache))).not.toContain('.gone-0');
  });

  it('treats the layers of a newer version as its own', async () => {
    const { cache, clock, make, prune } = await setup();
    const boot = await make('boot');
    const dir = join(layersDir(cache), 'newer');
    await mkdir(dir);
    const parent = { key: 'boot', id: boot.record.id };
    await writeFile(join(dir, 'layer.json'), JSON.stringify({ v: 9, id: 'n', createdMs: clock.now(), parent }));
    expect((await prune({ maxBytes: 1e12 })).removed).toEqual([]);
    expect((await prune()).removed.map(({ key }) => key)).toEqual(['newer', 'boot']);
  });
});

describe('pinning and removing', () => {
  it('never happen both', async () => {
    const { cache, make } = await setup();
    let both = 0;
    for (let round = 0; round < 20; round++) {
      const boot = await make(`boot${round}`);
      const child = await make(`child${round}`, boot);
      const build = await testContext({ cache });
      const removed: string[] = [];
      const remove = ({ record: { key }, dir }: StoredLayer) =>
        ifUnused(cache, key, signal, async () => {
          removed.push(key);
          await rm(dir, { recursive: true });
        });
      const [found] = await Promise.all([findLayer(child.record.key, build), remove(child), remove(boot)]);
      both += found !== undefined && removed.length > 0 ? 1 : 0;
      await build[Symbol.asyncDispose]();
    }
    expect(both).toBe(0);
  });
});
