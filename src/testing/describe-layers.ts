import type { LaunchRequest } from '../core/index.ts';
import { countingSignal } from './counting-signal.ts';
import { describeMemory } from './describe-memory.ts';
import { LayerBench, type LayersCase } from './layer-bench.ts';
import { atMoment, leftovers as leftoversOf, NOTHING } from './outcome.ts';
import { type TestContext, testContext } from './test-context.ts';
import { TIMEOUT_MS, type Vitest } from './vitest.ts';

/** Holds a driver with layers to the text of core/driver.ts and core/machine.ts on freezing, and on continuing if it keeps memory. */
export function describeLayers<O>(vitest: Vitest, the: LayersCase<O>): void {
  const { afterEach, beforeEach, describe, expect, it } = vitest;
  const { driver, options, remains } = the;
  const { layers } = driver;
  if (layers === undefined) throw new Error(`driver ${driver.name} has no layers`);
  if (layers.memory !== undefined) describeMemory(vitest, the, layers.memory);

  describe(`layers of driver ${driver.name}`, { timeout: TIMEOUT_MS }, () => {
    let bench: LayerBench<O>;
    beforeEach(async () => {
      bench = await LayerBench.make(the);
    }, TIMEOUT_MS);
    afterEach(() => bench[Symbol.asyncDispose]());
    const leftovers = (context: TestContext) => leftoversOf(context, remains);

    it('freezes the disk of a machine that runs on', async () => {
      await using context = await testContext();
      const machine = await bench.launch(context);
      const digests: Record<string, unknown> = {};
      const counts: number[] = [];
      let from = 'first';
      for (const name of ['a', 'b', 'c']) {
        await bench.counted(machine, (counts.at(-1) ?? 0) + 2);
        const frozen = await bench.freeze(machine, from, name, false, context);
        expect(frozen).toMatchObject({ files: ['disk.qcow2'], fingerprint: undefined });
        expect(frozen.pausedMs).toBeGreaterThanOrEqual(0);
        counts.push(await bench.countOf(name));
        digests[name] = await bench.digest(name, frozen.files);
        from = `${name}-next`;
      }
      const [a = 0, b = 0, c = 0] = counts;
      expect(a).toBeGreaterThan(0);
      expect(b).toBeGreaterThan(a);
      expect(c).toBeGreaterThan(b);
      await bench.counted(machine, c + 2);
      const stopped = await machine.shutdown({ graceMs: 20_000, signal: context.signal });
      const disk = await stopped.seal();
      expect(disk.virtualBytes).toBe(bench.request.machine.diskBytes);
      expect(await bench.countOn(disk.kind === 'file' ? disk.path : '')).toBeGreaterThan(c + 1);
      await stopped[Symbol.asyncDispose]();
      expect(await leftovers(context)).toEqual(NOTHING);
      for (const name of ['a', 'b', 'c']) expect(await bench.digest(name, ['disk.qcow2'])).toEqual(digests[name]);
    });

    it('boots a layer, several machines at once, and freezes those again', async () => {
      await using context = await testContext();
      const machine = await bench.launch(context);
      await bench.counted(machine, 3);
      await bench.freeze(machine, 'first', 'a', false, context);
      await machine[Symbol.asyncDispose]();
      const from = await bench.countOf('a');
      const digest = await bench.digest('a', ['disk.qcow2']);
      const booted = [await bench.launchOn('a', 'x', context), await bench.launchOn('a', 'y', context)];
      for (const one of booted) await bench.counted(one, from + 1);
      const [first] = booted;
      if (first === undefined) throw new Error('no machine');
      await bench.freeze(first, 'x', 'b', false, context);
      for (const one of booted) await one[Symbol.asyncDispose]();
      expect(await bench.countOf('b')).toBeGreaterThan(from);
      await using last = await bench.launchOn('b', 'z', context);
      await bench.counted(last, (await bench.countOf('b')) + 1);
      await last[Symbol.asyncDispose]();
      expect(await leftovers(context)).toEqual(NOTHING);
      expect(await bench.digest('a', ['disk.qcow2'])).toEqual(digest);
    });

    it('has no freezer for a machine whose disk is its own', async () => {
      await using context = await testContext();
      const request: LaunchRequest = bench.request;
      await using machine = await driver.launch(request, options, context);
      expect(machine.freezer).toBeUndefined();
    });

    it('leaves nothing, wherever freezing is aborted', async () => {
      const during = (arm: (n: number) => AbortSignal) => async (n: number) => {
        await using context = await testContext();
        const machine = await bench.launch(context);
        const next = await bench.place('next', 'a');
        const memory = layers.memory !== undefined;
        const error = await machine.freezer?.freeze({ next, memory, signal: arm(n) }).then(
          () => undefined,
          (reason: unknown) => reason,
        );
        await machine[Symbol.asyncDispose]();
        expect(await leftovers(context)).toEqual(NOTHING);
        if (error !== undefined) expect(error).toMatchObject({ code: 'KIB_CANCELLED' });
        return error !== undefined;
      };
      const atStep = during((n) => countingSignal(n));
      // Further apart than moments of a launch: there is a whole one before each.
      const atSomeMoment = during((n) => atMoment(n, 1.5).signal);
      let steps = 0;
      while (await atStep(steps + 1)) steps++;
      expect(steps).toBeGreaterThan(1);
      for (let n = 1; await atSomeMoment(n); ) n++;
    });
  });
}
