import { readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LaunchRequest, MemoryAbility, RunningMachine } from '../core/index.ts';
import { countingSignal } from './counting-signal.ts';
import { LayerBench, type LayersCase } from './layer-bench.ts';
import { atJournalLine, atMoment, CANCELLED, fuzz, leftovers as leftoversOf, NOTHING } from './outcome.ts';
import { type TestContext, testContext } from './test-context.ts';
import { TIMEOUT_MS, type Vitest } from './vitest.ts';

/** Holds a driver that keeps memory with its layers to the text of core/driver.ts on continuing. */
export function describeMemory<O>(vitest: Vitest, the: LayersCase<O>, ability: MemoryAbility<O>): void {
  const { afterEach, beforeEach, describe, expect, it } = vitest;
  const { driver, options, remains } = the;
  describe(`memory in layers of driver ${driver.name}`, { timeout: TIMEOUT_MS }, () => {
    let bench: LayerBench<O>;
    let request: LaunchRequest;
    beforeEach(async () => {
      bench = await LayerBench.make(the);
      request = bench.request;
    }, TIMEOUT_MS);
    afterEach(() => bench[Symbol.asyncDispose]());
    const leftovers = (context: TestContext) => leftoversOf(context, remains);
    let resumes = 0;
    const resume = async (layer: string, context: TestContext, machine = request.machine): Promise<RunningMachine> => {
      const disk = await bench.place(`resumed${++resumes}`, layer);
      return ability.resume({ name: request.name, machine, frozen: join(bench.dir, layer), disk }, options, context);
    };

    it('continues a machine from where it was frozen, any of several times, while it runs on', async () => {
      await using context = await testContext();
      const machine = await bench.launch(context);
      await bench.counted(machine, 3);
      const first = await bench.freeze(machine, 'first', 'a', true, context);
      const digests = { a: await bench.digest('a', first.files) };
      await bench.counted(machine, (await bench.countOf('a')) + 3);
      const second = await bench.freeze(machine, 'a-next', 'b', true, context);
      const both = { ...digests, b: await bench.digest('b', second.files) };
      expect(first.files).toContain('disk.qcow2');
      expect(first.fingerprint).toBe(await ability.fingerprint(request.machine, options, context));
      expect(second.fingerprint).toBe(first.fingerprint);
      expect(first.pausedMs).toBeGreaterThanOrEqual(0);
      expect(await bench.countOf('b')).toBeGreaterThan(await bench.countOf('a'));
      // The first one still runs, and has the frozen disks open.
      const resumed = [await resume('a', context), await resume('b', context)];
      const endpoints = await Promise.all([machine, ...resumed].map((one) => one.endpoint(context.signal)));
      expect(new Set(endpoints.map(({ host, port }) => `${host}:${port}`)).size).toBe(3);
      for (const [index, layer] of ['a', 'b'].entries()) {
        // A guest that booted instead would say more than its next number, and one with another disk would have lost count.
        const from = await bench.countOf(layer);
        expect(await bench.linesAfter(from, resumed[index], 3)).toEqual([1, 2, 3].map((more) => bench.line(from + more)));
      }
      const stopped = await resumed[0]?.shutdown({ graceMs: 20_000, signal: context.signal });
      const disk = await stopped?.seal();
      expect(await bench.countOn(disk?.kind === 'file' ? disk.path : '')).toBeGreaterThan((await bench.countOf('a')) + 2);
      await stopped?.[Symbol.asyncDispose]();
      for (const one of [machine, resumed[1]]) await one?.[Symbol.asyncDispose]();
      expect(await leftovers(context)).toEqual(NOTHING);
      expect({ a: await bench.digest('a', first.files), b: await bench.digest('b', second.files) }).toEqual(both);
    });

    it('freezes a continued machine again, and as often as a build has layers', async () => {
      await using context = await testContext();
      await using machine = await bench.launch(context);
      await bench.counted(machine, 1);
      let from = 'first';
      for (let n = 1; n <= 8; n++) {
        await bench.freeze(machine, from, `layer${n}`, n % 3 > 0, context);
        from = `layer${n}-next`;
      }
      await using again = await resume('layer8', context);
      await bench.freeze(again, `resumed${resumes}`, 'more', true, context);
      await using last = await resume('more', context);
      const count = await bench.countOf('more');
      expect(await bench.linesAfter(count, last, 1)).toEqual([bench.line(count + 1)]);
    });

    it('cannot continue a layer that is a disk alone', async () => {
      await using context = await testContext();
      await using machine = await bench.launch(context);
      await bench.freeze(machine, 'first', 'a', false, context);
      await expect(resume('a', context)).rejects.toMatchObject({ code: 'KIB_RESUME' });
    });

    it('gives another machine another fingerprint', async () => {
      await using context = await testContext();
      const of = (machine: LaunchRequest['machine']) => ability.fingerprint(machine, options, context);
      expect(await of(request.machine)).toBe(await of({ ...request.machine }));
      expect(await of(request.machine)).not.toBe(await of({ ...request.machine, cpus: request.machine.cpus + 1 }));
    });

    it('refuses memory that is not whole, not its own or not there, and leaves nothing', async () => {
      await using context = await testContext();
      const machine = await bench.launch(context);
      await bench.counted(machine, 1);
      const { files } = await bench.freeze(machine, 'first', 'a', true, context);
      await machine[Symbol.asyncDispose]();
      const memory = join(bench.dir, 'a', files.find((name) => name.startsWith('memory')) ?? '');
      const whole = await readFile(memory);
      const refused = async (spec = request.machine): Promise<void> => {
        await expect(resume('a', context, spec)).rejects.toMatchObject({ code: 'KIB_RESUME', class: 'driver' });
        expect(await leftovers(context)).toEqual(NOTHING);
      };
      await refused({ ...request.machine, cpus: request.machine.cpus + 1 });
      await truncate(memory, Math.floor(whole.length / 2));
      await refused();
      await writeFile(memory, Buffer.concat([whole.subarray(0, -20), Buffer.alloc(20)]));
      await refused();
      await writeFile(memory, Buffer.alloc(whole.length));
      await refused();
      await rm(memory);
      await refused();
      await writeFile(memory, whole);
      await using resumed = await resume('a', context);
      const count = await bench.countOf('a');
      expect(await bench.linesAfter(count, resumed, 1)).toEqual([bench.line(count + 1)]);
    });

    it('leaves nothing, wherever continuing is aborted', async () => {
      await using context = await testContext();
      const machine = await bench.launch(context);
      await bench.freeze(machine, 'first', 'a', true, context);
      await machine[Symbol.asyncDispose]();
      const work = async (inner: TestContext) => (await resume('a', inner))[Symbol.asyncDispose]();
      const aborted = [
        ...(await fuzz((step) => ({ signal: countingSignal(step) }), work, remains)),
        ...(await fuzz(atJournalLine, work, remains)),
        ...(await fuzz(atMoment, work, remains)),
      ];
      expect(aborted.length).toBeGreaterThan(20);
      for (const outcome of aborted) expect(outcome).toEqual(CANCELLED);
    });
  });
}
