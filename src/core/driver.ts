import type { z } from 'zod';
import type { Format } from './artifact.ts';
import type { Context } from './context.ts';
import type { ConfigIssue } from './errors.ts';
import type { Resource } from './journal.ts';
import type { LaunchRequest, MachineSpec, ResumeRequest, RunningMachine } from './machine.ts';
import type { Arch, Firmware } from './os.ts';

/** What a driver can do; read by the planner instead of asking which driver it is. */
export interface Capabilities {
  readonly arch: readonly Arch[];
  readonly firmware: readonly Firmware[];
  /** Formats its sealed disk can be exported to. */
  readonly formats: readonly Format[];
  readonly console: boolean;
  readonly screenshot: boolean;
}

/** One thing doctor looked at. `fix` is what to type; `packages` are what `doctor --install` installs, per host package manager. */
export interface Finding {
  readonly name: string;
  readonly status: 'ok' | 'warning' | 'missing';
  readonly detail: string;
  readonly fix?: string;
  readonly packages?: HostPackages;
}

export interface HostPackages {
  readonly apt?: readonly string[];
  readonly dnf?: readonly string[];
  readonly brew?: readonly string[];
}

/** One line of a preview: a command as argv, words unquoted, or an API call. */
export interface PreviewLine {
  readonly title: string;
  readonly argv: readonly string[];
}

/** Where a driver may keep what slow tries on this host have shown, to believe it as long as nothing about the host has changed. */
export interface ProbeStore {
  /** Nothing is kept while it does not exist. */
  readonly folder: string;
  /** Whether to try anew all the same, and only keep what that shows. */
  readonly isRenewed: boolean;
}

/** Boots machines on one hypervisor. The contract suite tests/contract/describe-driver.ts holds every driver to this text. */
export interface Driver<O = unknown> {
  readonly name: string;
  readonly summary: string;
  readonly options: z.ZodType<O>;
  readonly capabilities: Capabilities;
  /** Looks at the host without changing it. Without `probes` nothing is kept, nor believed. */
  doctor(
    options: O,
    machine: Pick<MachineSpec, 'arch' | 'firmware'>,
    signal: AbortSignal,
    probes?: ProbeStore,
  ): Promise<readonly Finding[]>;
  /** What of the options cannot be with this machine, before anything is created; `path` is relative to the options. Pure. */
  validate?(machine: MachineSpec, options: O): readonly ConfigIssue[];
  /** What launch would run, with placeholders for what only launch knows. Pure: same input, same output. */
  preview(machine: MachineSpec, options: O): readonly PreviewLine[];
  /**
   * Registers everything in the context's scope and journal before creating it, so that an abort at any await leaves nothing.
   * Throws KIB_QEMU_MISSING-like environment errors before creating anything.
   */
  launch(request: LaunchRequest, options: O, context: Context): Promise<RunningMachine>;
  /** Present when its machines can be frozen (RunningMachine.freezer) and continued. */
  readonly layers?: LayerAbility<O>;
  /** Removes a leftover of a dead build; does nothing when it is gone already. Returns what it did, for people. */
  reap(resource: Resource): Promise<string>;
}

/** Optional ability of a driver: continuing machines that were frozen with their memory. */
export interface LayerAbility<O> {
  /**
   * What a saved memory depends on besides the layer: version of the hypervisor, machine type, CPU, accelerator. Memory frozen under another
   * fingerprint cannot be continued here; its disk can still be booted. Throws like launch.
   */
  fingerprint(machine: MachineSpec, options: O, context: Context): Promise<string>;
  /**
   * Continues a frozen machine on a fresh overlay: it runs when this resolves, and believes that no time has passed. Scope, journal and
   * errors as with launch; KIB_RESUME when the saved memory cannot be loaded.
   */
  resume(request: ResumeRequest, options: O, context: Context): Promise<RunningMachine>;
}

/** Identity function that infers the option type from the schema. */
export function defineDriver<O>(driver: Driver<O>): Driver<O> {
  return driver;
}
