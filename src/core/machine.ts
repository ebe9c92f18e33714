import type { DiskFormat, RemoteBase } from './base.ts';
import type { SealedDisk } from './disk.ts';
import { KibError } from './errors.ts';
import type { Arch, Firmware } from './os.ts';

/** The machine a build or a verdict runs on, apart from its files. */
export interface MachineSpec {
  readonly arch: Arch;
  readonly firmware: Firmware;
  readonly cpus: number;
  readonly memoryBytes: number;
  /** Virtual size of the disk; never smaller than the base. */
  readonly diskBytes: number;
  /** Lowest x86-64 level of the guest's user space. */
  readonly x86Level: 1 | 2 | 3;
  /** Set where the catalog's base has a cloud-init without datasource for VMware: guestinfo and customizations do not reach it. */
  readonly lacksVmwareDatasource?: true;
}

/** What a driver is given to launch. It must not change `base`. */
export interface LaunchRequest {
  /** Short name for process titles and window captions. */
  readonly name: string;
  readonly machine: MachineSpec;
  /** A remote one is only given to drivers with `images`. */
  readonly base: LocalBase | RemoteBase;
  readonly seed: SeedFiles;
  /** Given instead of the seed, which is then not attached: only to drivers that take them (Driver.takesCredentials). */
  readonly credentials?: SystemCredentials;
  /** Where the machine's disk goes; default: a folder of the driver's own. Set when the machine may be frozen as a layer. */
  readonly disk?: DiskPlace;
}

/** A disk image on this host. */
export interface LocalBase {
  readonly path: string;
  readonly format: DiskFormat;
  /** Bytes before the image inside its file; default 0. */
  readonly offset?: number;
  /** Length of the image inside its file; only looked at when `offset` is not 0. Default: up to the end of the file. */
  readonly bytes?: number;
  /** Whether nobody will boot it again: a driver that copies bases to its hypervisor need not keep the copy. Default: false. */
  readonly isThrowaway?: boolean;
}

/** The base as a file of this host. Throws KIB_BASE_REMOTE for one that only a hypervisor has. */
export function localBase({ base }: Pick<LaunchRequest, 'base'>): LocalBase {
  if ('path' in base) return base;
  throw new KibError('KIB_BASE_REMOTE', `wanted a disk image on this host, got ${base.source.kind} ${base.id}`, {
    hint: 'build it with the driver of the hypervisor that has it, or choose another base',
  });
}

/** Folder for the disk of a machine that may become a layer. The caller made it, empty, and removes it; the driver writes `disk.qcow2` there. */
export interface DiskPlace {
  readonly folder: string;
  /** Backing file as the disk names it: relative to `folder`, so that both can be moved together. Its file need not be there yet. */
  readonly backing: string;
}

/** What a driver is given to continue a frozen machine: everything that LaunchRequest has of it, and what `freeze` left. */
export interface ResumeRequest {
  readonly name: string;
  readonly machine: MachineSpec;
  /** Folder with the files of a freeze with memory; only ever read. */
  readonly frozen: string;
  readonly disk: DiskPlace;
}

/** The NoCloud seed (cloudinit.readthedocs.io, datasource NoCloud): file name → text. Each driver attaches it its own way. */
export interface SeedFiles {
  readonly 'user-data': string;
  readonly 'meta-data': string;
  readonly 'network-config'?: string;
}

/**
 * systemd's system credentials (systemd.io/CREDENTIALS): name → content. systemd reads them before it starts anything, so that a guest needs no
 * cloud-init to let somebody in. They hold a private host key.
 */
export type SystemCredentials = Readonly<Record<string, string>>;

/** Where the guest's SSH server is reached from this host. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** A powered-on machine. Disposing it kills it and removes what launch made; the finished disk of a sealed machine is kept. */
export interface RunningMachine extends AsyncDisposable {
  /** For people and logs: `qemu pid 4242`. */
  readonly id: string;
  /** Where SSH is reached; waits until the address is known. */
  endpoint(signal: AbortSignal): Promise<Endpoint>;
  /** Rejects with a DriverError when the machine stops by itself; never resolves before shutdown. */
  readonly exited: Promise<never>;
  /** What the accelerator costs: 1 for hardware virtualisation, about 8 for emulation; boot deadlines are multiplied by it. */
  readonly slowness: number;
  /** `guest`: nobody can press its power button, so it must power itself off; the engine tells it to, right before `shutdown`. */
  readonly powerOff?: 'guest';
  readonly console?: ConsoleReader;
  readonly screenshotter?: Screenshotter;
  readonly freezer?: Freezer;
  /** Asks the guest to power off and waits; kills it after `graceMs` and throws KIB_SHUTDOWN. */
  shutdown(options: { readonly graceMs: number; readonly signal: AbortSignal }): Promise<StoppedMachine>;
  /** Leaves the machine running after this process ends (--on-error keep); disposing does nothing any more. */
  release(): Promise<void>;
}

/** A cleanly powered-off machine. */
export interface StoppedMachine extends AsyncDisposable {
  /** Takes away the seed and whatever else must not ship, and freezes the disk. */
  seal(): Promise<SealedDisk>;
}

/** Optional ability: the serial console. */
export interface ConsoleReader {
  /** File on this host that the whole console goes to, raw bytes. */
  readonly path: string;
  /** How late lines may come, in milliseconds: each phase of a boot gets so much longer. Default: 0. */
  readonly lagMs?: number;
  /**
   * Lines as they come, without terminal escapes, from the start of the boot; an unfinished line that stands still comes too when it
   * looks like a prompt. Ends with the machine or the signal.
   */
  lines(signal: AbortSignal): AsyncIterable<string>;
  /** The last lines, for messages. */
  tail(lines: number): Promise<readonly string[]>;
}

/** Optional ability: a picture of the display. */
export interface Screenshotter {
  /** Writes a PNG; throws KIB_QMP or the driver's own error. */
  screenshot(path: string): Promise<void>;
}

/** Optional ability: keeping what a machine is at one moment, while it runs on. Only for machines that were given a DiskPlace. */
export interface Freezer {
  /**
   * Stops the guest for a moment, lets its disk as it is now stay in the folder it is in, and goes on with an overlay at `next`. With
   * `memory`, which only a driver with that ability is asked for, what `resume` needs besides the disk is written to the same folder. Nothing
   * of the frozen folder is written to after this returns, so the caller may move it. When it throws the machine is of no use any more.
   */
  freeze(request: { readonly next: DiskPlace; readonly memory: boolean; readonly signal: AbortSignal }): Promise<Frozen>;
}

/** What a freeze left in the machine's former folder. */
export interface Frozen {
  /** Names of the files there, `disk.qcow2` among them. */
  readonly files: readonly string[];
  /** Present when the memory is among them: see MemoryAbility.fingerprint. */
  readonly fingerprint: string | undefined;
  /** How long the guest stood still. */
  readonly pausedMs: number;
}
