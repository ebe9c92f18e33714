import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type DiskPlace, type Driver, type Frozen, type LaunchRequest, localBase, type RunningMachine } from '../core/index.ts';
import { countingSignal } from './counting-signal.ts';
import { atJournalLine, CANCELLED, fuzz, leftovers, NOTHING } from './outcome.ts';
import { type TestContext, testContext } from './test-context.ts';
import { TIMEOUT_MS, type Vitest } from './vitest.ts';

export interface LayersCase<O> {
  readonly driver: Driver<O>;
  readonly options: O;
  /** A guest that counts on from what its disk says, in memory and on its disk, and prints each number after `counts`. */
  readonly guest: (dir: string) => Promise<LaunchRequest>;
  readonly counts: string;
  /** The number on a disk. */
  readonly countOn: (path: string, dir: string) => Promise<number>;
}

/** Holds a driver with layers to the text of core/driver.ts and core/machine.ts on freezing and continuing. */
export function describeLayers<O>(vitest: Vitest, { driver, options, ...the }: LayersCase<O>): void {
  const { afterEach, beforeEach, describe, expect, it } = vitest;
  describe(`layers of driver ${driver.name}`, { timeout: TIMEOUT_MS }, () => {
    let dir: string;
    let request: LaunchRequest;
    beforeEach(async () => {
      dir = await mkdtemp(join(process.env['TMPDIR'] ?? '/tmp', 'kib-layers-'));
      request = await the.guest(dir);
    }, TIMEOUT_MS);
    afterEach(() => rm(dir, { recursive: true, force: true }));

    const abilities = driver.layers;
    if (abilities === undefined) throw new Error(`driver ${driver.name} has no layers`);

    // As builds do it: a machine's disk lies in a folder without a name yet, which gets its own when it is frozen.
    const place = async (name: string, below: string | undefined): Promise<DiskPlace> => {
      const folder = join(dir, `.part-${name}`);
      await rm(folder, { recursive: true, force: true });
      await mkdir(folder, { mode: 0o700 });
      return { folder, backing: below === undefined ? localBase(request).path : `../${below}/disk.qcow2` };
    };
    const launch = async (context: TestContext): Promise<RunningMachine> =>
      driver.launch({ ...request, disk: await place('first', undefined) }, options, context);
    let resumes = 0;
    const resume = async (layer: string, context: TestContext, spec = request.machine): Promise<RunningMachine> => {
      const disk = await place(`resumed${++resumes}`, layer);
      return abilities.resume({ name: request.name, machine: spec, frozen: join(dir, layer), disk }, options, context);
    };
    // Freezes what lies in `.part-<from>` as `name`, and goes on in `.part-<name>-next`.
    const freeze = async (
      machine: RunningMachine,
      from: string,
      name: string,
      context: TestContext,
      memory = true,
    ): Promise<Frozen> => {
      const next = await place(`${name}-next`, name);
      const frozen = await machine.freezer?.freeze({ next, memory, signal: context.signal });
      if (frozen === undefined) throw new Error('it has no freezer');
      await rename(join(dir, `.part-${from}`), join(dir, name));
      return frozen;
    };
    const countOf = async (layer: string) => the.countOn(join(dir, layer, 'disk.qcow2'), dir);

    it('continues a machine from where it was frozen, any of several times, while it runs on', async () => {
      await using context = await testContext();
      const machine = await launch(context);
      await counted(machine, 3);
      const first = await freeze(machine, 'first', 'a', context);
      const digests = { a: await digest(join(dir, 'a'), first.files) };
      await counted(machine, (await countOf('a')) + 3);
      const second = await freeze(machine, 'a-next', 'b', context);
      const both = { ...digests, b: await digest(join(dir, 'b'), second.files) };
      expect(first.files).toContain('disk.qcow2');
      expect(first.fingerprint).toBe(await abilities.fingerprint(request.machine, options, context));
      expect(second.fingerprint).toBe(first.fingerprint);
      expect(first.pausedMs).toBeGreaterThanOrEqual(0);
      expect(await countOf('b')).toBeGreaterThan(await countOf('a'));
      // The first one still runs, and has the frozen disks open.
      const resumed = [await resume('a', context), await resume('b', context)];
      const endpoints = await Promise.all([machine, ...resumed].map((one) => one.endpoint(context.signal)));
      expect(new Set(endpoints.map(({ port }) => port)).size).toBe(3);
      for (const [index, layer] of ['a', 'b'].entries()) {
        // A guest that booted instead would say more than its next number, and one with another disk would have lost count.
        const from = await countOf(layer);
        expect(await linesAfter(from, resumed[index], 3)).toEqual([1, 2, 3].map((more) => line(from + more)));
      }
      const stopped = await resumed[0]?.shutdown({ graceMs: 20_000, signal: context.signal });
      const disk = await stopped?.seal();
      expect(await the.countOn(disk?.kind === 'file' ? disk.path : '', dir)).toBeGreaterThan((await countOf('a')) + 2);
      await stopped?.[Symbol.asyncDispose]();
      for (const one of [machine, resumed[1]]) await one?.[Symbol.asyncDispose]();
      expect(await leftovers(context)).toEqual(NOTHING);
      expect({ a: await digest(join(dir, 'a'), first.files), b: await digest(join(dir, 'b'), second.files) }).toEqual(both);
    });

    it('freezes a continued machine again, and as often as a build has layers', async () => {
      await using context = await testContext();
      await using machine = await launch(context);
      await counted(machine, 1);
      let from = 'first';
      for (let n = 1; n <= 8; n++) {
        await freeze(machine, from, `layer${n}`, context, n % 3 > 0);
        from = `layer${n}-next`;
      }
      await using again = await resume('layer8', context);
      await freeze(again, `resumed${resumes}`, 'more', context);
      await using last = await resume('more', context);
      const count = await countOf('more');
      expect(await linesAfter(count, last, 1)).toEqual([line(count + 1)]);
    });

    it('keeps the disk alone when asked to, and boots from it', async () => {
      await using context = await testContext();
      const machine = await launch(context);
      await counted(machine, 3);
      const frozen = await freeze(machine, 'first', 'a', context, false);
      expect(frozen).toMatchObject({ files: ['disk.qcow2'], fingerprint: undefined });
      await machine[Symbol.asyncDispose]();
      const base = { path: join(dir, 'a', 'disk.qcow2'), format: 'qcow2' } as const;
      await using booted = await driver.launch({ ...request, base, disk: await place('b', 'a') }, options, context);
      await counted(booted, (await countOf('a')) + 1);
      await expect(resume('a', context)).rejects.toMatchObject({ code: 'KIB_RESUME' });
    });

    it('has no freezer for a machine whose disk is its own', async () => {
      await using context = await testContext();
      await using machine = await driver.launch(request, options, context);
      expect(machine.freezer).toBeUndefined();
    });

    it('gives another machine another fingerprint', async () => {
      await using context = await testContext();
      const of = (machine: LaunchRequest['machine']) => abilities.fingerprint(machine, options, context);
      expect(await of(request.machine)).toBe(await of({ ...request.machine }));
      expect(await of(request.machine)).not.toBe(await of({ ...request.machine, cpus: request.machine.cpus + 1 }));
    });

    it('refuses memory that is not whole, not its own or not there, and leaves nothing', async () => {
      await using context = await testContext();
      const machine = await launch(context);
      await counted(machine, 1);
      const { files } = await freeze(machine, 'first', 'a', context);
      await machine[Symbol.asyncDispose]();
      const memory = join(dir, 'a', files.find((name) => name.startsWith('memory')) ?? '');
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
      const count = await countOf('a');
      expect(await linesAfter(count, resumed, 1)).toEqual([line(count + 1)]);
    });

    it('leaves nothing, wherever continuing is aborted', async () => {
      await using context = await testContext();
      const machine = await launch(context);
      await freeze(machine, 'first', 'a', context);
      await machine[Symbol.asyncDispose]();
      const work = async (inner: TestContext) => (await resume('a', inner))[Symbol.asyncDispose]();
      const aborted = [
        ...(await fuzz((step) => ({ signal: countingSignal(step) }), work)),
        ...(await fuzz(atJournalLine, work)),
        ...(await fuzz((n) => ({ signal: AbortSignal.timeout((n - 1) * 15) }), work)),
      ];
      expect(aborted.length).toBeGreaterThan(20);
      for (const outcome of aborted) expect(outcome).toEqual(CANCELLED);
    });

    it('leaves nothing, wherever freezing is aborted', async () => {
      const during = (arm: (n: number, abort: AbortController) => AbortSignal) => async (n: number) => {
        await using context = await testContext();
        const machine = await launch(context);
        const next = await place('next', 'a');
        const abort = new AbortController();
        const error = await machine.freezer?.freeze({ next, memory: true, signal: arm(n, abort) }).then(
          () => undefined,
          (reason: unknown) => reason,
        );
        await machine[Symbol.asyncDispose]();
        expect(await leftovers(context)).toEqual(NOTHING);
        if (error !== undefined) expect(error).toMatchObject({ code: 'KIB_CANCELLED' });
        return error !== undefined;
      };
      const atStep = during((n) => countingSignal(n));
      const atMoment = during((n) => AbortSignal.timeout((n - 1) * 10));
      let count = 0;
      for (let n = 1; await atStep(n); n++) count++;
      expect(count).toBeGreaterThan(5);
      for (let n = 1; await atMoment(n); n++) count++;
    });

    async function counted(machine: RunningMachine, atLeast: number): Promise<void> {
      for await (const said of machine.console?.lines(AbortSignal.timeout(30_000)) ?? []) {
        if (said.startsWith(the.counts) && Number(said.slice(the.counts.length)) >= atLeast) return;
      }
      throw new Error(`the guest did not count to ${atLeast}; last lines: ${(await machine.console?.tail(10))?.join(' | ')}`);
    }

    function line(count: number): string {
      return `${the.counts}${String(count).padStart(4, '0')}`;
    }

    // The first lines of a guest that was frozen at `count`. It may have been about to say that number, or in the middle of it.
    async function linesAfter(count: number, machine: RunningMachine | undefined, wanted: number): Promise<readonly string[]> {
      const lines: string[] = [];
      for await (const said of machine?.console?.lines(AbortSignal.timeout(30_000)) ?? []) {
        if (lines.length > 0 || !line(count).endsWith(said)) lines.push(said);
        if (lines.length === wanted) break;
      }
      return lines;
    }
  });
}

async function digest(folder: string, files: readonly string[]): Promise<Record<string, string>> {
  const pairs = files.map(async (name) => {
    const content = await readFile(join(folder, name));
    return [name, createHash('sha256').update(content).digest('hex')] as const;
  });
  return Object.fromEntries(await Promise.all(pairs));
}
