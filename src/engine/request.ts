import type { Artifact, CheckResult, Endpoint, NetworkSettings, RemoteImage } from '../core/index.ts';
import type { ResolvedImage } from '../plan/resolved.ts';
import type { Phase } from './phases.ts';

/** How to log in to a build's machine while it lives. The files are in the build's log folder, mode 0600. */
export interface MachineAccess {
  readonly build: string;
  readonly endpoint: Endpoint;
  readonly username: string;
  readonly keyFile: string;
  readonly knownHostsFile: string;
}

/** A place in a build that waits for somebody to look at its machine. */
export interface Breakpoint {
  readonly message: string;
  readonly access: MachineAccess;
  /** Aborts when the build is interrupted or nobody went on in time. */
  readonly signal: AbortSignal;
}

export type CacheMode = 'auto' | 'off' | 'strict';

export interface BuildRequest {
  readonly image: ResolvedImage;
  /** Folder that gets one folder per image. */
  readonly outputDir: string;
  /** Whether to inspect and boot the finished file. */
  readonly verify: boolean;
  /** Replace an image that is there already. */
  readonly force: boolean;
  /** What to do with the machine when provisioning fails; an interrupted build always cleans up. */
  readonly onError: 'cleanup' | 'keep' | 'shell';
  /** Called for `shell`; the machine lives until it resolves. */
  readonly openShell?: (access: MachineAccess) => Promise<void>;
  /** What to do at breakpoints. Default: `pause`, which needs `pause` to be given. */
  readonly onBreakpoint?: 'pause' | 'skip';
  /** Called at a breakpoint; the build goes on when it resolves, and ends when it rejects or `signal` aborts. */
  readonly pause?: (breakpoint: Breakpoint) => Promise<void>;
  /** Folder of logs and journals, `$XDG_STATE_HOME/kib-native`. */
  readonly stateHome: string;
  /** Folder of bases, downloads and scratch disks, `$XDG_CACHE_HOME/kib-native`. */
  readonly cacheHome: string;
  /**
   * What to do with cached layers. `auto` (default): start from the deepest one that fits and keep new ones; `off`: neither; `strict`: fail with
   * KIB_CACHE_MISS rather than make one.
   */
  readonly cache?: CacheMode;
  /** Name of the layer (recipe) to make anew with everything after it, although it is cached. */
  readonly from?: string;
  /** Lock file of package repositories; with `locked`, KIB_LOCK_DRIFT when they are not as it says. Default: none is written or read. */
  readonly lock?: { readonly path: string; readonly locked: boolean };
  /** Largest size of the layer store in bytes; the least recently used layers go. Default: 40 GiB. */
  readonly cacheBytes?: number;
  /** Where secrets that are named by `env` are looked for. Default: nowhere. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Proxies and extra certificates for downloads. */
  readonly network?: NetworkSettings;
}

export interface BuildResult {
  readonly id: string;
  /** `debian13-kube-v1.36.1`. */
  readonly name: string;
  /** Folder of the artifacts and manifest.json. */
  readonly outputDir: string;
  readonly artifacts: readonly Artifact[];
  /** What was made and stays with the hypervisor. */
  readonly images: readonly RemoteImage[];
  readonly checks: readonly CheckResult[];
  readonly isVerified: boolean;
  /** Whether nothing had changed, so that the artifacts of an earlier build were checked and returned. */
  readonly isUnchanged: boolean;
  /** When that earlier build made them, ISO 8601; present when nothing had changed. */
  readonly builtAt?: string;
  readonly phases: readonly Phase[];
  /** Folder of events.ndjson, console.log and commands.log. */
  readonly logs: string;
  readonly ms: number;
}
