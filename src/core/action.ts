import type { SecretRef } from './secret.ts';
import type { Sh } from './sh.ts';

/** Bytes to put into the guest: text of ours, or a download named by its URL (see Download). */
export type Content = { readonly kind: 'text'; readonly text: string } | { readonly kind: 'download'; readonly url: string };

/** What the engine itself can do. Everything runs as root; recipes never call sudo. */
export type PrimitiveAction =
  | {
      readonly kind: 'exec';
      readonly title: string;
      /** POSIX sh, run with `set -eu`, standard input closed, working directory `/`. */
      readonly script: Sh;
      readonly timeoutMs: number;
      /** How often to try in all, for steps that use a network; default 1. */
      readonly attempts?: number;
      /** Between two attempts; default 5000. */
      readonly pauseMs?: number;
      /** Exit codes that are success besides 0. */
      readonly exitCodes?: readonly number[];
      /** Variables for the script, by name. */
      readonly environment?: Readonly<Record<string, string>>;
      /** The same for what must not be in plan, logs or image; the engine reads them before a machine starts. Layer keys count the reference only. */
      readonly secrets?: Readonly<Record<string, SecretRef>>;
      /** Whether the connection may break while it runs, which then counts as success once the guest answers again. */
      readonly disconnects?: true;
      /** Whether it installs packages from repositories: what these hold is then an input of its layer, and the host's package cache serves it. */
      readonly packages?: true;
    }
  | {
      readonly kind: 'put';
      readonly title: string;
      readonly content: Content;
      /** Absolute path; missing parent folders are made 0755 root:root. */
      readonly path: string;
      /** Octal, `0644`. */
      readonly mode: string;
      /** `user:group`. */
      readonly owner: string;
    }
  /** Reboots and waits until another boot id answers, or throws KIB_REBOOT_TIMEOUT; not when the script `unless` exits 0. */
  | { readonly kind: 'reboot'; readonly title: string; readonly timeoutMs: number; readonly unless?: Sh }
  /** Pauses the build until somebody goes on, or throws KIB_BREAKPOINT; not when the script `unless` exits 0. No part of what the guest becomes. */
  | {
      readonly kind: 'breakpoint';
      readonly title: string;
      readonly message: string;
      readonly timeoutMs: number;
      readonly unless?: Sh;
    }
  | {
      readonly kind: 'custom';
      readonly title: string;
      /** Changes whenever what `run` does changes; part of the layer key. */
      readonly key: string;
      readonly run: (guest: GuestAccess) => Promise<void>;
    };

/** What a custom action may do with the running guest. */
export interface GuestAccess {
  /** Runs a script as root and returns its standard output; throws KIB_ACTION_FAILED on a non-zero exit. */
  run(script: Sh, options?: { readonly timeoutMs?: number }): Promise<string>;
  upload(localPath: string, remotePath: string): Promise<void>;
  download(remotePath: string, localPath: string): Promise<void>;
}

/** What recipes may say on top of the primitives; the planner lowers these for the operating system at hand. */
export type HelperAction =
  | { readonly kind: 'file'; readonly path: string; readonly text: string; readonly mode?: string; readonly owner?: string }
  | { readonly kind: 'directory'; readonly path: string; readonly mode?: string; readonly owner?: string }
  | { readonly kind: 'remove'; readonly paths: readonly string[] }
  /** Fetched and verified on the host, then put into the guest. */
  | { readonly kind: 'download'; readonly download: Download; readonly path: string; readonly mode?: string }
  /** A tar archive, fetched and verified on the host, unpacked below `into` as root. */
  | {
      readonly kind: 'unpack';
      readonly download: Download;
      readonly into: string;
      readonly stripComponents?: number;
      /** Only these members. */
      readonly members?: readonly string[];
    }
  | {
      readonly kind: 'service';
      readonly unit: string;
      readonly enabled: boolean;
      readonly state?: 'started' | 'stopped' | 'restarted';
    }
  | { readonly kind: 'mask'; readonly units: readonly string[] }
  /** Loaded now and at every boot. */
  | { readonly kind: 'kernel-modules'; readonly name: string; readonly modules: readonly string[] }
  /** Written to /etc/sysctl.d/<name>.conf and applied. */
  | { readonly kind: 'sysctl'; readonly name: string; readonly values: Readonly<Record<string, string>> }
  /** Installed in the recipe's own layer; prefer Recipe.packages, which go into one transaction. */
  | { readonly kind: 'install'; readonly packages: readonly string[] }
  /** Kept at their version by apt-mark hold or dnf versionlock. */
  | { readonly kind: 'hold'; readonly packages: readonly string[] };

export type Action = PrimitiveAction | HelperAction;

/** A file the build needs from outside. `file:` URLs name host paths. */
export interface Download {
  readonly url: string;
  /** Lower-case hex, pinned; wins over `checksumUrl`. */
  readonly sha256?: string;
  /** The same for publishers that give no other; not looked at beside `sha256`. */
  readonly sha512?: string;
  /** A file holding the digest alone or sha256sum(1) lines; read when the build is resolved. */
  readonly checksumUrl?: string;
  /** What needs it: `kubernetes: kubelet`. */
  readonly why: string;
}

/** A primitive action of a plan with its name: `containerd/3`. */
export type PlannedAction = PrimitiveAction & { readonly id: string; readonly recipe: string };
