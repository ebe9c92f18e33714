import type { DiskFormat } from './base.ts';
import type { SealedDisk } from './disk.ts';
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
}

/** What a driver is given to launch. It must not change `base`. */
export interface LaunchRequest {
  /** Short name for process titles and window captions. */
  readonly name: string;
  readonly machine: MachineSpec;
  readonly base: {
    readonly path: string;
    readonly format: DiskFormat;
    /** Bytes before the image inside its file; default 0. */
    readonly offset?: number;
    /** Length of the image inside its file; only looked at when `offset` is not 0. Default: up to the end of the file. */
    readonly bytes?: number;
  };
  readonly seed: SeedFiles;
}

/** The NoCloud seed (cloudinit.readthedocs.io, datasource NoCloud): file name → text. Each driver attaches it its own way. */
export interface SeedFiles {
  readonly 'user-data': string;
  readonly 'meta-data': string;
  readonly 'network-config'?: string;
}

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
  readonly console?: ConsoleReader;
  readonly screenshotter?: Screenshotter;
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
