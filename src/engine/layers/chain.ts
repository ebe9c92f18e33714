import { writeFile } from 'node:fs/promises';
import { isAbsolute, join, relative } from 'node:path';
import {
  type BaseImage,
  type BuildPlan,
  type Context,
  type Credentials,
  type DiskPlace,
  KibError,
  type Layer,
  type PlannedAction,
  type RunningMachine,
} from '../../core/index.ts';
import { pausedLayer } from '../breakpoints.ts';
import type { BuildRequest } from '../request.ts';
import { CREDENTIALS_FILE } from './credentials.ts';
import { recordedInputs } from './inputs.ts';
import { keptOf } from './kept.ts';
import { type Lease, leaseLayer } from './lease.ts';
import { isMemoryWorthIt } from './policy.ts';
import { type LayerDraft, publishLayer } from './publish.ts';
import { makeStaging, type Staging } from './staging.ts';
import { layersDir, type StoredLayer } from './store.ts';
import { pinLayer } from './use.ts';

/** What a build knows when it opens its chain. */
export interface ChainInputs {
  readonly request: BuildRequest;
  readonly plan: BuildPlan;
  readonly base: BaseImage;
  /** Of the driver: see LayerAbility. */
  readonly tools: Readonly<Record<string, string>>;
  readonly repositoriesSeenMs: number | undefined;
}

/** A layer that was just made. */
export interface Made {
  /** Index in plan.layers. */
  readonly index: number;
  readonly ms: number;
  readonly machine: RunningMachine;
  readonly credentials: Credentials;
}

/**
 * The layers that one build makes, each on top of the one before. The machine's disk is always in a staging folder of the store; `keep` freezes
 * it, publishes the folder as a layer and goes on with the next one. Everything belongs to the build's scope.
 */
export class LayerChain {
  readonly #inputs: ChainInputs;
  readonly #context: Context;
  readonly #kept: ReadonlySet<number>;
  #top: StoredLayer | undefined;
  #lease: Lease | undefined;
  #staging: Staging | undefined;
  #bootMs: number;
  #pausedMs: number | undefined;
  /** Layers made since the last kept one. */
  #pending: Layer[] = [];
  #pendingMs = 0;
  #published: Promise<void> = Promise.resolve();
  /** Whether this machine was told a secret: nobody can say where in its memory it still stands. */
  #knowsSecrets = false;

  constructor(inputs: ChainInputs, top: StoredLayer | undefined, lease: Lease | undefined, context: Context) {
    this.#inputs = inputs;
    this.#context = context;
    const paused = pausedLayer(inputs.plan, inputs.request);
    const kept = keptOf(inputs.plan.layers, inputs.request.image.driver).map(({ index }) => index);
    this.#kept = new Set(kept.filter((index) => index < paused));
    this.#top = top;
    this.#lease = lease;
    this.#bootMs = top?.record.bootMs ?? 0;
  }

  /** Whether a layer may be more than a disk. */
  get hasMemory(): boolean {
    return this.#inputs.request.image.driver.layers?.memory !== undefined;
  }

  /** Makes the place for the disk of a machine that starts on the top layer, or on the base. */
  async place(): Promise<DiskPlace> {
    this.#staging = await makeStaging(this.#context);
    return { folder: this.#staging.folder, backing: this.#backing() };
  }

  /**
   * Keeps what the machine is now as a layer, when that layer is one to keep; the machine runs on when this resolves, while the layer is still
   * being published. Throws KIB_CACHE_CHANGED and KIB_DISK_FULL, of the layer before too.
   */
  async keep({ index, ms, machine, credentials }: Made): Promise<void> {
    const { plan } = this.#inputs;
    const layer = plan.layers[index];
    if (layer === undefined || machine.freezer === undefined || this.#staging === undefined) return;
    if (index === 0) this.#bootMs = ms;
    this.#pending.push(layer);
    this.#pendingMs += ms;
    this.#knowsSecrets ||= layer.actions.some(tellsSecrets);
    if (!this.#kept.has(index)) return;
    await this.#published;
    const staging = this.#staging;
    const next = await makeStaging(this.#context);
    const { length: count } = plan.layers;
    const isWorthIt = isMemoryWorthIt({ index, count, bootMs: this.#bootMs, pausedMs: this.#pausedMs });
    const memory = isWorthIt && !this.#knowsSecrets && this.hasMemory;
    const place = { folder: next.folder, backing: backingOf(layer.key) };
    const frozen = await machine.freezer.freeze({ next: place, memory, signal: this.#context.signal });
    if (memory) this.#pausedMs = frozen.pausedMs;
    await writeFile(join(staging.folder, CREDENTIALS_FILE), JSON.stringify(credentials), { mode: 0o600 });
    const { fingerprint } = frozen;
    const draft = {
      ...this.#draft(layer),
      files: [...frozen.files, CREDENTIALS_FILE],
      ...(fingerprint === undefined ? {} : { memory: { fingerprint, ms: frozen.pausedMs } }),
    };
    this.#staging = next;
    this.#pending = [];
    this.#pendingMs = 0;
    this.#published = this.#publish(staging, draft, index);
    // Thrown where it is waited for.
    this.#published.catch(() => {});
  }

  /** Waits until everything kept so far is published: the machine's disk cannot be read without it. Throws as `keep` does. */
  async settled(): Promise<void> {
    await this.#published;
  }

  async #publish(staging: Staging, draft: LayerDraft, index: number): Promise<void> {
    // Before it is published: whoever waits for this layer would else make the next one too.
    const lease = await this.#leaseAfter(index);
    const stored = await publishLayer(staging, draft, this.#context);
    if (stored === undefined) {
      throw new KibError('KIB_CACHE_CHANGED', `the layer ${draft.name} cannot be kept: the cache was changed meanwhile`, {
        hint: 'build again; with --cache off nothing is kept',
      });
    }
    await pinLayer(stored, this.#context);
    await this.#lease?.[Symbol.asyncDispose]();
    this.#lease = lease;
    this.#top = stored;
  }

  #draft(layer: Layer) {
    const { plan, base, tools, repositoriesSeenMs } = this.#inputs;
    const parent = this.#top?.record;
    return {
      key: layer.key,
      name: layer.name,
      image: plan.name,
      ...(parent === undefined ? {} : { parent: { key: parent.key, id: parent.id } }),
      base: { sha256: base.sha256, backing: this.#baseBacking() },
      inputs: this.#pending.flatMap((pending) => recordedInputs(pending)),
      ...(repositoriesSeenMs === undefined ? {} : { repositoriesSeenMs }),
      ms: this.#pendingMs,
      bootMs: this.#bootMs,
      tools: { ...tools },
    };
  }

  async #leaseAfter(index: number): Promise<Lease | undefined> {
    const next = this.#inputs.plan.layers.find((_, other) => other > index && this.#kept.has(other));
    return next === undefined ? undefined : leaseLayer(next.key, next.name, this.#context);
  }

  #backing(): string {
    return this.#top === undefined ? this.#baseBacking() : backingOf(this.#top.record.key);
  }

  /** Relative to a folder of the store where the base lies in the same cache, so that the cache can be moved. */
  #baseBacking(): string {
    const { cache } = this.#context.dirs;
    const { path } = this.#inputs.base;
    const inside = relative(cache, path);
    if (inside.startsWith('..') || isAbsolute(inside)) return path;
    return relative(join(layersDir(cache), 'layer'), path);
  }
}

function tellsSecrets(action: PlannedAction): boolean {
  return action.kind === 'exec' && (action.script.secrets.length > 0 || Object.keys(action.secrets ?? {}).length > 0);
}

function backingOf(key: string): string {
  return join('..', key, 'disk.qcow2');
}
