import { randomBytes } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { type Context, type NetworkSettings, type OsDefinition, type Sh } from '../../core/index.ts';
import { HttpClient } from '../../io/http.ts';
import { diskError } from '../../io/http-error.ts';
import type { Guest } from '../guest.ts';
import { answerRequest } from './answer.ts';
import { aptWrapper } from './apt-wrapper.ts';
import { dnfWrapper } from './dnf-wrapper.ts';
import { MirrorGroups } from './mirror-list.ts';
import { Relay } from './relay.ts';
import { describeStats, type PackageCacheStats } from './stats.ts';
import { PackageStore } from './store.ts';

export interface PackageCacheOptions {
  readonly os: Pick<OsDefinition, 'packageManager'>;
  /** How this host reaches the repositories; default: the context's. */
  readonly network?: NetworkSettings;
}

/** Where packages are kept below the cache folder. */
export function packagesDir(cacheDir: string): string {
  return join(cacheDir, 'packages');
}

/**
 * Lets a guest install from what this host keeps of package repositories, and keeps what it fetches for it. The guest reaches it through
 * its SSH connection alone; nothing listens on this host. Dispose it before the guest. Throws KIB_HOST_PERMISSION and KIB_DISK_FULL.
 */
export async function openPackageCache(guest: Guest, options: PackageCacheOptions, context: Context): Promise<PackageCache> {
  const folder = packagesDir(context.dirs.cache);
  const staging = join(folder, `.part-${context.buildId}-${randomBytes(4).toString('hex')}`);
  const removed = await context.journal.acquire({ kind: 'path', id: staging });
  const release = async () => {
    await rm(staging, { recursive: true, force: true });
    await removed();
  };
  try {
    await mkdir(staging, { recursive: true });
    const store = await PackageStore.open(folder, staging, context.clock);
    const network = options.network ?? context.network;
    const http = await HttpClient.open({ clock: context.clock, ...(network === undefined ? {} : { network }) });
    return new PackageCache({ guest, store, http, options, context, release });
  } catch (error) {
    await release();
    throw diskError(error, folder);
  }
}

/** What one action got of the cache. */
export interface PackageCacheUse {
  /** For people: `12 of 80 files from the package cache, 31.0 MiB of 97.2 MiB`. */
  summary(): string;
  /** The package manager failed with it: servers must confirm what was served before it is served again. */
  doubt(): Promise<void>;
}

interface Parts {
  readonly guest: Guest;
  readonly store: PackageStore;
  readonly http: HttpClient;
  readonly options: PackageCacheOptions;
  readonly context: Context;
  readonly release: () => Promise<void>;
}

/** See openPackageCache. Disposing it stops serving; what was downloaded stays. */
export class PackageCache implements AsyncDisposable {
  readonly #parts: Parts;
  readonly #relay: Relay;
  readonly #server: Server;
  readonly #end = new AbortController();
  readonly #streams = new Set<Duplex>();
  /** Keeps others of the guest from using this host as their proxy. */
  readonly #token = randomBytes(16).toString('hex');

  constructor(parts: Parts) {
    this.#parts = parts;
    const { store, http, context } = parts;
    const signal = AbortSignal.any([context.signal, this.#end.signal]);
    this.#relay = new Relay({ store, http, signal, span: context.span });
    const options = { relay: this.#relay, store, mirrors: new MirrorGroups(), token: this.#token };
    this.#server = createServer((req, res) => {
      // Cut rather than ended: a package manager must not take a part for the whole.
      answerRequest(req, res, options).catch(() => res.destroy());
    });
  }

  /**
   * Script that makes the package manager of another script use the cache, and then runs that one: `"${0%.first.sh}.sh"`. Undefined for
   * package managers other than apt and dnf, and, after a warning, when the guest cannot reach the cache. Ask anew for every script, since
   * the guest may have been connected to again.
   */
  async wrapper(signal: AbortSignal): Promise<Sh | undefined> {
    const { guest, options, context } = this.#parts;
    const { packageManager } = options.os;
    if (packageManager !== 'apt' && packageManager !== 'dnf') return undefined;
    const port = await guest.reverse((stream) => this.#serve(stream), signal);
    if (port === undefined) {
      const hint = 'allow TCP forwarding in its sshd_config (AllowTcpForwarding remote)';
      context.span.warn('KIB_SSH_FORWARD', 'the guest’s SSH server forwards no ports; it downloads all packages itself', hint);
      return undefined;
    }
    return packageManager === 'dnf' ? dnfWrapper({ port, token: this.#token }) : aptWrapper({ port, token: this.#token });
  }

  /** Looks at what is served from now on. */
  startUse(): PackageCacheUse {
    const before = this.stats();
    this.#relay.forgetServed();
    return {
      summary: () => describeStats(this.stats(), before),
      doubt: () => this.#relay.doubtServed(),
    };
  }

  stats(): PackageCacheStats {
    return this.#relay.stats;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort(new Error('the package cache is closed'));
    for (const stream of this.#streams) stream.destroy();
    this.#server.close();
    await this.#relay.settled();
    await this.#parts.http[Symbol.asyncDispose]();
    await this.#parts.release();
  }

  #serve(stream: Duplex): void {
    if (this.#end.signal.aborted) {
      stream.destroy();
      return;
    }
    this.#streams.add(stream);
    stream.once('close', () => this.#streams.delete(stream));
    this.#server.emit('connection', stream);
  }
}
