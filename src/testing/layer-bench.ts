import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DiskPlace, type Driver, type Frozen, type LaunchRequest, localBase, type RunningMachine } from '../core/index.ts';
import type { Remains } from './outcome.ts';
import type { TestContext } from './test-context.ts';

export interface LayersCase<O> {
  readonly driver: Driver<O>;
  readonly options: O;
  /** A guest that counts on from what its disk says, in memory and on its disk, and prints each number after `counts`. */
  readonly guest: (dir: string) => Promise<LaunchRequest>;
  readonly counts: string;
  /** The number on a disk. */
  readonly countOn: (path: string, dir: string) => Promise<number>;
  readonly remains?: Remains;
}

const COUNT_MS = 60_000;

/** A counting guest and a folder for its layers, which lie in it as in a build's store. Disposing removes the folder. */
export class LayerBench<O> implements AsyncDisposable {
  readonly dir: string;
  readonly request: LaunchRequest;
  readonly #the: LayersCase<O>;

  private constructor(the: LayersCase<O>, dir: string, request: LaunchRequest) {
    this.#the = the;
    this.dir = dir;
    this.request = request;
  }

  static async make<O>(the: LayersCase<O>): Promise<LayerBench<O>> {
    const dir = await mkdtemp(join(tmpdir(), 'kib-layers-'));
    return new LayerBench(the, dir, await the.guest(dir));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.dir, { recursive: true, force: true });
  }

  /** As builds do it: a machine's disk lies in a folder without a name yet, which gets its own when it is frozen. */
  async place(name: string, below: string | undefined): Promise<DiskPlace> {
    const folder = join(this.dir, `.part-${name}`);
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { mode: 0o700 });
    return { folder, backing: below === undefined ? localBase(this.request).path : `../${below}/disk.qcow2` };
  }

  /** Boots the base, its disk in `.part-<name>`. */
  async launch(context: TestContext, name = 'first'): Promise<RunningMachine> {
    const { driver, options } = this.#the;
    return driver.launch({ ...this.request, disk: await this.place(name, undefined) }, options, context);
  }

  /** Boots the disk of a layer, its own in `.part-<name>`. */
  async launchOn(layer: string, name: string, context: TestContext): Promise<RunningMachine> {
    const { driver, options } = this.#the;
    const base = { path: join(this.dir, layer, 'disk.qcow2'), format: 'qcow2' } as const;
    return driver.launch({ ...this.request, base, disk: await this.place(name, layer) }, options, context);
  }

  /** Freezes what lies in `.part-<from>` as `name`; the machine goes on in `.part-<name>-next`. */
  async freeze(machine: RunningMachine, from: string, name: string, memory: boolean, context: TestContext): Promise<Frozen> {
    const next = await this.place(`${name}-next`, name);
    const frozen = await machine.freezer?.freeze({ next, memory, signal: context.signal });
    if (frozen === undefined) throw new Error('it has no freezer');
    await rename(join(this.dir, `.part-${from}`), join(this.dir, name));
    return frozen;
  }

  /** The number on the disk of a layer. */
  async countOf(layer: string): Promise<number> {
    return this.countOn(join(this.dir, layer, 'disk.qcow2'));
  }

  async countOn(path: string): Promise<number> {
    return this.#the.countOn(path, this.dir);
  }

  /** Waits until the guest has counted as far as that. */
  async counted(machine: RunningMachine, atLeast: number): Promise<void> {
    const { counts } = this.#the;
    for await (const said of machine.console?.lines(AbortSignal.timeout(COUNT_MS)) ?? []) {
      if (said.startsWith(counts) && Number(said.slice(counts.length)) >= atLeast) return;
    }
    throw new Error(`the guest did not count to ${atLeast}; last lines: ${(await machine.console?.tail(10))?.join(' | ')}`);
  }

  line(count: number): string {
    return `${this.#the.counts}${String(count).padStart(4, '0')}`;
  }

  /** The first lines of a guest that was frozen at `count`. It may have been about to say that number, or in the middle of it. */
  async linesAfter(count: number, machine: RunningMachine | undefined, wanted: number): Promise<readonly string[]> {
    const lines: string[] = [];
    for await (const said of machine?.console?.lines(AbortSignal.timeout(COUNT_MS)) ?? []) {
      if (lines.length > 0 || !this.line(count).endsWith(said)) lines.push(said);
      if (lines.length === wanted) break;
    }
    return lines;
  }

  /** Digests of files of a layer. */
  async digest(layer: string, files: readonly string[]): Promise<Readonly<Record<string, string>>> {
    const pairs = files.map(async (name) => {
      const content = await readFile(join(this.dir, layer, name));
      return [name, createHash('sha256').update(content).digest('hex')] as const;
    });
    return Object.fromEntries(await Promise.all(pairs));
  }
}
