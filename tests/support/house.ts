import { chmod, copyFile, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as realDelay } from 'node:timers/promises';
import { expect, onTestFinished, vi } from 'vitest';
import { z } from 'zod';
import {
  type Action,
  type Artifact,
  type BuildEvent,
  type Clock,
  defineRecipe,
  type Exporter,
  KibError,
  type Recipe,
  sh,
  sha256,
  systemClock,
} from '../../src/core/index.ts';
import { readJournal } from '../../src/engine/journal.ts';
import type { BuildRequest, BuildResult } from '../../src/engine/request.ts';
import { type BuildHandle, startBuild } from '../../src/engine/start-build.ts';
import { FakeClock } from './fake-clock.ts';
import { type FakeDriver, fakeDriver } from './fake-driver.ts';
import { resolvedImage } from './plan.ts';

const DISK_BYTES = 1 << 20;

/** Puts the one host program of a build from a file before the real ones, which need not be installed; returns how to undo it. */
export async function fakePrograms(): Promise<() => Promise<void>> {
  const dir = await mkdtemp(join(tmpdir(), 'kib-programs-'));
  const info = JSON.stringify({ filename: 'base.raw', format: 'raw', 'virtual-size': DISK_BYTES, 'actual-size': 4096 });
  await writeFile(join(dir, 'qemu-img'), `#!/bin/sh\necho '${info}'\n`);
  await chmod(join(dir, 'qemu-img'), 0o755);
  vi.stubEnv('PATH', `${dir}${delimiter}${process.env['PATH'] ?? ''}`);
  return async () => {
    vi.unstubAllEnvs();
    await rm(dir, { recursive: true });
  };
}

export function recipe(name: string, steps: readonly Action[], rest: Partial<Recipe> = {}): Recipe {
  return defineRecipe({ name, summary: name, params: z.unknown(), steps: () => steps, ...rest });
}

export const exec = (title: string, script = sh`echo ${title}`): Action => ({ kind: 'exec', title, script, timeoutMs: 60_000 });
export const seal = recipe('seal', [exec('remove the login')]);
/** Two actions and a check, all fine. */
export const good = recipe('demo', [exec('say hello'), exec('say more')], {
  checks: () => [
    { name: 'demo/fine', title: 'it is fine', script: sh`echo fine`, expect: { kind: 'equals', text: 'fine' }, when: ['build'] },
  ],
});
/** Its second action fails. */
export const bad = recipe('demo', [exec('say hello'), exec('break', sh`echo last words; exit 3`)]);

/** Copies a sealed disk; `step` is called where a real one would wait. */
export function rawExporter(step: () => void = () => {}): Exporter {
  return {
    format: 'raw',
    summary: 'copies the disk',
    options: z.unknown(),
    tools: [],
    async export(disk, subject, outputDir, _options, context): Promise<Artifact> {
      step();
      const path = join(outputDir, `${subject.name}.raw`);
      await copyFile(disk.path, path);
      step();
      context.signal.throwIfAborted();
      const bytes = (await stat(path)).size;
      return { format: 'raw', path, bytes, sha256: sha256(await readFile(path)), disk: { format: 'raw', offset: 0, bytes } };
    },
  };
}

/** A build in this process and all that it touches. */
export interface House extends AsyncDisposable {
  readonly fake: FakeDriver;
  readonly controller: AbortController;
  /** Path of the base image. */
  readonly base: string;
  readonly outputDir: string;
  readonly stateHome: string;
  readonly cacheHome: string;
  /** What happened: every event, every wait of the clock, every await of driver and exporter. */
  readonly steps: readonly string[];
  /** Runs a build to its end; time goes on slowly while the guest really works. */
  run(onStart?: (handle: BuildHandle) => void): Promise<Outcome>;
}

export interface Outcome {
  readonly id: string;
  readonly events: readonly BuildEvent[];
  readonly result: BuildResult | undefined;
  readonly error: unknown;
}

export interface HouseOptions extends Partial<BuildRequest> {
  readonly recipes?: readonly Recipe[];
  /** Catalog name; default: debian13. */
  readonly system?: string;
  /** Abort the build at this step, counting from 1. */
  readonly abortAt?: number;
  /** Path of a base that is there already; default: one of its own. */
  readonly base?: string;
  /** A step of the driver that never ends. */
  readonly hangAt?: string;
  /** A step of the driver that fails. */
  readonly breakAt?: string;
}

/** A build with a fake driver and exporter and a real SSH connection. */
export async function house(options: HouseOptions = {}): Promise<House> {
  const { recipes = [good], system = 'debian13', abortAt, hangAt, breakAt, base: given, ...rest } = options;
  const dir = await mkdtemp(join(tmpdir(), 'kib-flow-'));
  const controller = new AbortController();
  const steps: string[] = [];
  const step = (what: string) => {
    if (steps.push(what) === abortAt) controller.abort(new KibError('KIB_CANCELLED', 'interrupted: test'));
  };
  const fake = fakeDriver((what) => {
    step(what);
    if (what === breakAt) throw what === 'resume' ? new KibError('KIB_RESUME', 'it is broken') : new Error(`${what} is broken`);
    return what === hangAt ? new Promise(() => {}) : undefined;
  });
  const base = given ?? join(dir, 'base.raw');
  if (given === undefined) await writeFile(base, Buffer.alloc(DISK_BYTES));
  const image = resolvedImage(
    system,
    { formats: ['raw'] },
    {
      registry: [...recipes, seal],
      driver: fake.driver,
      base: { kind: 'file', path: base, format: 'raw' },
      exporters: [{ exporter: rawExporter(() => step('export')), options: {} }],
    },
  );
  const time = new FakeClock();
  const clock: Clock = {
    now: () => time.now(),
    sleep(ms, signal) {
      step(`sleep ${ms}`);
      return time.sleep(ms, signal);
    },
  };
  const homes = {
    outputDir: rest.outputDir ?? join(dir, 'output'),
    stateHome: rest.stateHome ?? join(dir, 'state'),
    cacheHome: rest.cacheHome ?? join(dir, 'cache'),
  };
  const request: BuildRequest = { image, verify: false, force: false, onError: 'cleanup', ...rest, ...homes };
  return {
    ...homes,
    base,
    fake,
    controller,
    steps,
    run: async (onStart) => {
      const handle = startBuild(request, controller.signal, clock);
      const events: BuildEvent[] = [];
      handle.subscribe((event) => {
        events.push(event);
        step(event.type);
      });
      onStart?.(handle);
      const end = await atLeisure(
        time,
        Promise.allSettled([handle.result]),
        () => steps.filter((what) => !what.startsWith('sleep')).length,
      );
      const [settled] = end;
      return {
        id: handle.id,
        events,
        result: settled.status === 'fulfilled' ? settled.value : undefined,
        error: settled.status === 'rejected' ? (settled.reason as unknown) : undefined,
      };
    },
    async [Symbol.asyncDispose]() {
      await fake[Symbol.asyncDispose]();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** How long nothing may happen before its pauses are taken for long ones; real programs on a busy machine answer sooner. */
const STALL_MS = 3000;

/** Waits for work that does real I/O, moving the clock a little now and then so that its pauses end; faster once nothing happens any more. */
async function atLeisure<T>(time: FakeClock, work: Promise<T>, progress: () => number): Promise<T> {
  const state = { isDone: false };
  const finished = work.finally(() => {
    state.isDone = true;
  });
  let last = { progress: progress(), at: systemClock.now() };
  while (!state.isDone) {
    await realDelay(2);
    if (progress() !== last.progress) last = { progress: progress(), at: systemClock.now() };
    await time.advance(systemClock.now() - last.at > STALL_MS ? 1000 : 5);
  }
  return finished;
}

/** What the build's journal says. */
export const journalOf = ({ stateHome }: House, id: string) => readJournal(join(stateHome, 'builds', id, 'journal.ndjson'));

/** Names in a folder; none when it does not exist. */
export const list = (path: string) => readdir(path).catch(() => []);

/** Nothing of the build is left but its logs and, when it succeeded, its output. */
export async function expectNothingLeft(home: House, { id, result }: Outcome): Promise<void> {
  expect(await journalOf(home, id)).toMatchObject({ held: [], isEnded: true, isKept: false });
  expect([...home.fake.running.keys()]).toEqual([]);
  expect(await list(join(home.cacheHome, 'work'))).toEqual([]);
  expect(await list(home.outputDir)).toEqual(result === undefined ? [] : ['debian13']);
}

/** A house that goes with the test. */
export async function newHouse(options?: HouseOptions): Promise<House> {
  const made = await house(options);
  onTestFinished(() => made[Symbol.asyncDispose]());
  return made;
}
