import type { z } from 'zod';
import type { ArtifactSubject, Format, ImageFormat, RemoteImage } from './artifact.ts';
import type { BaseKind, RemoteBase, RemoteSource } from './base.ts';
import type { Context } from './context.ts';
import type { SealedDisk } from './disk.ts';
import type { ConfigIssue } from './errors.ts';
import type { Resource } from './journal.ts';
import type { LaunchRequest, MachineSpec, ResumeRequest, RunningMachine } from './machine.ts';
import type { Arch, Firmware } from './os.ts';

/** What a driver can do; read by the planner instead of asking which driver it is. */
export interface Capabilities {
  readonly arch: readonly Arch[];
  readonly firmware: readonly Firmware[];
  /** What it can make of a sealed machine; the first is the default of `formats`. File formats need a sealed disk on this host. */
  readonly formats: readonly Format[];
  /** Bases its machines can start from; the default is the catalog's first one of any of these. Default: LOCAL_BASES. */
  readonly bases?: readonly BaseKind[];
  readonly console: boolean;
  readonly screenshot: boolean;
  /** Whether guests reach the network through this host, so that what it cannot reach they cannot either. Default: false. */
  readonly sharesNetwork?: boolean;
}

/** Bases that are files on this host, or become one: what a driver takes that uploads a disk or boots it here. */
export const LOCAL_BASES: readonly BaseKind[] = ['cloud-image', 'file', 'bootstrap'];

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
  /** Whether launch takes system credentials for such a machine. Pure. Default: no. */
  takesCredentials?(machine: MachineSpec, options: O): boolean;
  /**
   * Registers everything in the context's scope and journal before creating it, so that an abort at any await leaves nothing.
   * Throws KIB_QEMU_MISSING-like environment errors before creating anything.
   */
  launch(request: LaunchRequest, options: O, context: Context): Promise<RunningMachine>;
  /** Present when its machines can be frozen (RunningMachine.freezer). */
  readonly layers?: LayerAbility<O>;
  /** Present when the hypervisor keeps images itself: bases to start from, and what is made of a sealed machine. */
  readonly images?: ImageAbility<O>;
  /** Removes a leftover of a dead build; does nothing when it is gone already. Returns what it did, for people. */
  reap(resource: Resource): Promise<string>;
}

/** Optional ability of a driver: machines that can be frozen, and others that start where those were. */
export interface LayerAbility<O> {
  /** How many layers of one build are worth what freezing costs here: the first, that of the packages and the last ones; at least 3. Default: 16. */
  readonly atMost?: number;
  /** Present when a machine's memory can be kept too; without it a layer is a disk, which is booted. */
  readonly memory?: MemoryAbility<O>;
}

/** Continuing machines that were frozen with their memory. */
export interface MemoryAbility<O> {
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

/** Images that go away with the scope they were made in, unless they are kept. */
export interface PublishedImages {
  readonly images: readonly RemoteImage[];
  /** Takes them out of scope and journal. */
  keep(): Promise<void>;
}

/** Optional ability of a driver: images that the hypervisor keeps. */
export interface ImageAbility<O> {
  /** Looks a base up. Throws KIB_BASE_MISSING when there is none or more than one fits. */
  findBase(source: RemoteSource, machine: MachineSpec, options: O, context: Context): Promise<RemoteBase>;
  /**
   * Makes images of a sealed machine: the one asked for and its copies elsewhere. The context's scope and journal remove them, half copies
   * too, unless `keep` is called.
   */
  publish(
    disk: SealedDisk,
    format: ImageFormat,
    subject: ArtifactSubject,
    options: O,
    context: Context,
  ): Promise<PublishedImages>;
  /** The image as a base, for the verdict's boot. */
  baseOf(image: RemoteImage, options: O): RemoteBase;
  /** Whether the image is still there as it was made. */
  exists(image: RemoteImage, options: O, context: Context): Promise<boolean>;
  /** Removes an image with everything that belongs to it; nothing when it is gone already. */
  remove(image: RemoteImage, options: O, context: Context): Promise<void>;
}

/** Identity function that infers the option type from the schema. */
export function defineDriver<O>(driver: Driver<O>): Driver<O> {
  return driver;
}
