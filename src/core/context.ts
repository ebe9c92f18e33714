import type { Clock } from './clock.ts';
import type { Span } from './event.ts';
import type { Journal } from './journal.ts';
import type { Scope } from './scope.ts';

/** Folders of one build; all exist. */
export interface BuildDirs {
  /** Scratch files (overlay disk, seed, sockets' folder); removed at the end. */
  readonly work: string;
  /** Kept: events.ndjson, console.log, commands.log, screenshots. */
  readonly logs: string;
  /** Shared between builds: content-addressed downloads and bases. */
  readonly cache: string;
}

/** How this host reaches the network. Empty: directly, trusting the certificate authorities Node comes with. */
export interface NetworkSettings {
  /** Proxy for http: URLs, `http://user:password@proxy:3128`. */
  readonly httpProxy?: string;
  /** Proxy for https: URLs; without it `httpProxy` serves them too. */
  readonly httpsProxy?: string;
  /** Hosts reached without a proxy, `localhost,.example.org,10.0.0.1:8080`; `*` for all. */
  readonly noProxy?: string;
  /** PEM file with certificate authorities to trust besides the usual ones. */
  readonly caFile?: string;
}

/** What effectful code is handed: no globals, no environment. */
export interface Context {
  readonly buildId: string;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** Span that work done under this context reports to. */
  readonly span: Span;
  /** What is registered here is released when the build ends, whatever its outcome. */
  readonly scope: Scope;
  readonly journal: Journal;
  readonly dirs: BuildDirs;
  /** Default: {}. */
  readonly network?: NetworkSettings;
}
