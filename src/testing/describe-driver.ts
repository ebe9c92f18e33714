import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inflateSync } from 'node:zlib';
import { type Driver, type FileDisk, type LaunchRequest, localBase, type RunningMachine } from '../core/index.ts';
import { countingSignal } from './counting-signal.ts';
import { describeLayers } from './describe-layers.ts';
import { noteCommandLines, placesOf } from './exposure.ts';
import type { LayersCase } from './layer-bench.ts';
import { filesBelow, processesWith } from './leftovers.ts';
import {
  atJournalLine,
  atMoment,
  CANCELLED,
  fuzz,
  leftovers as leftoversOf,
  NOTHING,
  type Outcome,
  type Remains,
} from './outcome.ts';
import { readPng } from './png.ts';
import { type TestContext, testContext } from './test-context.ts';
import { TIMEOUT_MS, type Vitest } from './vitest.ts';

export interface DriverCase<O> {
  readonly driver: Driver<O>;
  readonly options: O;
  /** A guest that boots fast, prints `greeting` on its console and powers off when asked to; files it needs go into `dir`. */
  readonly guest: (dir: string) => Promise<LaunchRequest>;
  /** The same, but it does not power off when asked to. */
  readonly deafGuest: (dir: string) => Promise<LaunchRequest>;
  readonly greeting: string;
  /** Whether the disk holds the base and what the guest wrote on it. */
  readonly hasWritten: (disk: FileDisk, dir: string) => Promise<boolean>;
  /** Ends the machine behind the driver's back. */
  readonly kill: (machine: RunningMachine) => void;
  /** Whether the machine runs, asked behind the driver's back. Default: its endpoint's port is open. */
  readonly isRunning?: (machine: RunningMachine) => Promise<boolean>;
  /** Whether the guest asks for an address, for drivers that know it from that alone. Default: the driver needs no such guest. */
  readonly hasAddress?: boolean;
  /** For drivers whose machines are more than processes and files of this host: names of what is there of a build. */
  readonly remains?: Remains;
  /** Values that the driver reads and shows to nobody: a password, a line of a private key. Default: it has none. */
  readonly secrets?: readonly string[];
  /** For drivers with layers. */
  readonly layers?: Pick<LayersCase<O>, 'guest' | 'counts' | 'countOn'>;
}

/**
 * Holds a driver to the text of core/driver.ts and core/machine.ts, in about a hundred launches, each aborted somewhere else. Call it at the top
 * of a test file of Vitest, with its module: `describeDriver(await import('vitest'), { … })`. It looks into /proc, and so needs Linux.
 */
export function describeDriver<O>(vitest: Vitest, { driver, options, layers, ...the }: DriverCase<O>): void {
  const { afterAll, beforeAll, describe, expect, it } = vitest;
  it(`says how the layers of driver ${driver.name} are tried, if it has any`, () => {
    expect(layers !== undefined).toBe(driver.layers !== undefined);
  });
  const { remains } = the;
  if (layers !== undefined) {
    describeLayers(vitest, { driver, options, ...layers, ...(remains === undefined ? {} : { remains }) });
  }

  describe(`driver ${driver.name}`, { timeout: TIMEOUT_MS }, () => {
    let dir: string;
    let request: LaunchRequest;
    let deaf: LaunchRequest;
    const { TMPDIR } = process.env;
    beforeAll(async () => {
      dir = await mkdtemp(join(tmpdir(), 'kib-contract-'));
      // A temporary folder of our own shows everything that is left in it, and nothing of others.
      process.env['TMPDIR'] = join(dir, 't');
      await mkdir(join(dir, 't'));
      request = await the.guest(dir);
      deaf = await the.deafGuest(dir);
    }, TIMEOUT_MS);
    afterAll(async () => {
      if (TMPDIR === undefined) delete process.env['TMPDIR'];
      else process.env['TMPDIR'] = TMPDIR;
      await rm(dir, { recursive: true, force: true });
    });

    const launch = (context: TestContext, what = request): Promise<RunningMachine> => driver.launch(what, options, context);
    const { hasAddress = true } = the;
    const leftovers = async (context: TestContext) => leftoversOf(context, the.remains);
    const isRunning = async (machine: RunningMachine) =>
      the.isRunning === undefined ? isOpen((await machine.endpoint(new AbortController().signal)).port) : the.isRunning(machine);
    const stopAtEach = async (stopAt: Parameters<typeof fuzz>[0]): Promise<readonly Outcome[]> =>
      fuzz(stopAt, launchAndDispose, the.remains);
    const launchAndDispose = async (context: TestContext): Promise<void> => (await launch(context))[Symbol.asyncDispose]();

    it('doctor says what it found and changes nothing', async () => {
      const before = surroundings();
      const findings = await driver.doctor(options, request.machine, new AbortController().signal);
      expect(surroundings()).toEqual(before);
      expect(findings.length).toBeGreaterThan(0);
      expect(findings.filter((finding) => finding.status === 'missing')).toEqual([]);
      expect(findings.every((finding) => finding.name !== '' && finding.detail !== '')).toBe(true);
    });

    it('preview is pure', () => {
      const before = surroundings();
      const spec = Object.freeze({ ...request.machine });
      const lines = driver.preview(spec, options);
      expect(lines.length).toBeGreaterThan(0);
      expect(driver.preview(spec, options)).toEqual(lines);
      expect(surroundings()).toEqual(before);
    });

    it('runs a guest from its first console line to a sealed disk, and never touches the base', async () => {
      const before = digest(localBase(request).path);
      await using context = await testContext();
      const machine = await launch(context);
      if (hasAddress) {
        expect(await machine.endpoint(context.signal)).toEqual({
          host: expect.any(String) as string,
          port: expect.any(Number) as number,
        });
      }
      await greeted(machine, the.greeting);
      expect(machine.console !== undefined).toBe(driver.capabilities.console);
      expect(machine.screenshotter !== undefined).toBe(driver.capabilities.screenshot);
      if (driver.capabilities.screenshot) expect(await pixels(machine, join(dir, 'screen.png'))).toBeGreaterThan(0);
      const stopped = await machine.shutdown({ graceMs: 20_000, signal: context.signal });
      const disk = await stopped.seal();
      expect(disk.virtualBytes).toBe(request.machine.diskBytes);
      // The disk outlives the machine that was running, but not the one that stopped.
      await machine[Symbol.asyncDispose]();
      if (disk.kind !== 'file') throw new Error('the disk is not on this host');
      expect(await the.hasWritten(disk, dir)).toBe(true);
      await stopped[Symbol.asyncDispose]();
      expect(await leftovers(context)).toEqual(NOTHING);
      expect(digest(localBase(request).path)).toBe(before);
    });

    const { secrets = [] } = the;
    it.skipIf(secrets.length === 0)('shows its secrets to nobody', async () => {
      using programs = noteCommandLines();
      await using context = await testContext();
      const machine = await launch(context);
      await greeted(machine, the.greeting);
      const findings = await driver.doctor(options, request.machine, context.signal);
      const stopped = await machine.shutdown({ graceMs: 20_000, signal: context.signal });
      await stopped.seal();
      const preview = driver.preview(request.machine, options);
      expect(await placesOf(secrets, programs, context, { id: machine.id, findings, preview, options })).toEqual([]);
      await stopped[Symbol.asyncDispose]();
    });

    it('starts two machines at once that do not get in each other’s way', async () => {
      await using context = await testContext();
      const machines = await Promise.all([launch(context), launch(context)]);
      expect(new Set(machines.map((machine) => machine.id)).size).toBe(2);
      if (hasAddress) {
        const endpoints = await Promise.all(machines.map((machine) => machine.endpoint(context.signal)));
        expect(new Set(endpoints.map(({ host, port }) => `${host}:${port}`)).size).toBe(2);
      }
      expect(new Set(machines.map((machine) => machine.console?.path)).size).toBe(2);
      await Promise.all(machines.map((machine) => greeted(machine, the.greeting)));
      await machines[0]?.[Symbol.asyncDispose]();
      expect(await Promise.race([machines[1]?.exited, Promise.resolve('runs')])).toBe('runs');
    });

    it('disposes as often as one likes', async () => {
      await using context = await testContext();
      const machine = await launch(context);
      expect(await isRunning(machine)).toBe(true);
      await Promise.all([machine[Symbol.asyncDispose](), machine[Symbol.asyncDispose]()]);
      await machine[Symbol.asyncDispose]();
      expect(await isRunning(machine)).toBe(false);
      expect(await leftovers(context)).toEqual(NOTHING);
      expect(context.scope.held).toEqual([]);
    });

    it('is cleaned up by the build’s scope alone', async () => {
      const context = await testContext();
      await launch(context);
      await context.scope[Symbol.asyncDispose]();
      expect(await leftovers(context)).toEqual(NOTHING);
      await context[Symbol.asyncDispose]();
    });

    it('kills a guest that does not power off, and says so', async () => {
      await using context = await testContext();
      const machine = await launch(context, deaf);
      await greeted(machine, the.greeting);
      const shutdown = machine.shutdown({ graceMs: 1000, signal: context.signal });
      await expect(shutdown).rejects.toMatchObject({ code: 'KIB_SHUTDOWN', hint: expect.any(String) as string });
      expect(await leftovers(context)).toEqual(NOTHING);
    });

    it('stops waiting for the power-off when aborted', async () => {
      await using context = await testContext();
      const machine = await launch(context, deaf);
      const abort = new AbortController();
      const shutdown = machine.shutdown({ graceMs: 60_000, signal: abort.signal });
      abort.abort(new Error('enough'));
      await expect(shutdown).rejects.toMatchObject({ code: 'KIB_CANCELLED' });
      await machine[Symbol.asyncDispose]();
      expect(await leftovers(context)).toEqual(NOTHING);
    });

    it('tells when the machine stops by itself', async () => {
      await using context = await testContext();
      const machine = await launch(context);
      the.kill(machine);
      await expect(machine.exited).rejects.toMatchObject({ class: 'driver' });
      await machine[Symbol.asyncDispose]();
      expect(await leftovers(context)).toEqual(NOTHING);
    });

    it('leaves a released machine running, and reaps it later', async () => {
      const context = await testContext();
      const machine = await launch(context);
      expect(await isRunning(machine)).toBe(true);
      await machine.release();
      await machine[Symbol.asyncDispose]();
      await context.scope[Symbol.asyncDispose]();
      expect(await isRunning(machine)).toBe(true);
      expect(context.journal.held).not.toEqual([]);
      await reapAll(driver, context);
      expect(await isRunning(machine)).toBe(false);
      expect({ ...(await leftovers(context)), journal: [] }).toEqual(NOTHING);
      // Gone already: nothing to do, and no error.
      await reapAll(driver, context);
      await context[Symbol.asyncDispose]();
    });

    it('leaves nothing, at whichever step it is aborted', async () => {
      const aborted = await stopAtEach((step) => ({ signal: countingSignal(step) }));
      expect(aborted.length).toBeGreaterThan(10);
      for (const outcome of aborted) expect(outcome).toEqual(CANCELLED);
    });

    it('leaves nothing, at whichever journal line it is aborted', async () => {
      const aborted = await stopAtEach(atJournalLine);
      expect(aborted.length).toBeGreaterThan(1);
      for (const outcome of aborted) expect(outcome).toEqual(CANCELLED);
    });

    it('leaves nothing, at whichever moment it is aborted', async () => {
      const aborted = await stopAtEach(atMoment);
      expect(aborted.length).toBeGreaterThan(2);
      for (const outcome of aborted) expect(outcome).toEqual(CANCELLED);
    });
  });
}

/** Waits until the guest has said `greeting` on its console; returns the line. */
export async function greeted(machine: RunningMachine, greeting: string): Promise<string> {
  for await (const line of machine.console?.lines(AbortSignal.timeout(30_000)) ?? []) if (line.includes(greeting)) return line;
  throw new Error(`the guest did not say ${greeting}; last lines: ${(await machine.console?.tail(10))?.join(' | ')}`);
}

async function pixels(machine: RunningMachine, path: string): Promise<number> {
  await machine.screenshotter?.screenshot(path);
  const { width, height, data } = readPng(readFileSync(path));
  // Inflated, it must hold one byte more per row than the pixels need: the filter.
  return inflateSync(data).length === (width * 3 + 1) * height ? width * height : 0;
}

// What gc does after a kill -9 of the build: newest first, folders by the engine, the rest by the driver.
async function reapAll(driver: Driver, context: TestContext): Promise<void> {
  for (const resource of [...context.journal.held].reverse()) {
    if (resource.kind === 'path') await rm(resource.id, { recursive: true, force: true });
    else await driver.reap(resource);
  }
}

function surroundings(): unknown {
  return { files: filesBelow(tmpdir()), processes: processesWith(tmpdir()) };
}

function digest(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

async function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
