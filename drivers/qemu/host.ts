import { isAbsolute, resolve } from 'node:path';
import { type Arch, KibError } from '../../src/core/index.ts';
import { CommandError, run } from '../../src/io/process.ts';
import { findProgram } from '../../src/io/programs.ts';
import { TOOLS } from '../../src/io/tools.ts';
import type { QemuOptions } from './options.ts';

/** The QEMU at hand. */
export interface QemuHost {
  /** Absolute path of the program. */
  readonly path: string;
  readonly version: Version;
  /** As it says itself, the distributor's package included: `7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)`. */
  readonly fullVersion: string;
  /** Versioned name of the machine type, `pc-q35-7.2`: what `q35` means may change with the next QEMU. */
  readonly machineType: string;
  /** Whether it was built with a seccomp filter. */
  readonly canSandbox: boolean;
}

export interface Version {
  readonly major: number;
  readonly minor: number;
}

/** -blockdev, pflash by node name and JSON are older; below this nothing was tried. */
const MINIMUM_VERSION: Version = { major: 6, minor: 2 };

/** Seccomp rules: no system calls QEMU does not need once it runs. */
export const SANDBOX = 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny';

export const PROGRAMS = { amd64: 'qemu-system-x86_64', arm64: 'qemu-system-aarch64' } as const satisfies Record<Arch, string>;
export const MACHINE_TYPES = { amd64: 'q35', arm64: 'virt' } as const satisfies Record<Arch, string>;

/** Whether `version` is that release or a later one. */
export function isAtLeast(version: Version, major: number, minor: number): boolean {
  return version.major > major || (version.major === major && version.minor >= minor);
}

/** Finds QEMU and asks it what it is. Throws KIB_QEMU_MISSING, or KIB_DRIVER_CANNOT for a machine type it does not know. */
export async function inspectQemu(arch: Arch, options: QemuOptions, signal: AbortSignal): Promise<QemuHost> {
  const path = await findQemu(arch, options);
  const { version, fullVersion } = await readVersion(path, signal);
  if (!isAtLeast(version, MINIMUM_VERSION.major, MINIMUM_VERSION.minor)) {
    throw new KibError(
      'KIB_QEMU_MISSING',
      `wanted QEMU ${MINIMUM_VERSION.major}.${MINIMUM_VERSION.minor} or later, got ${version.major}.${version.minor} (${path})`,
      { hint: 'install a newer QEMU, or name one with driver.binary' },
    );
  }
  // -sandbox is looked at before -machine help prints, so one call answers both questions.
  const sandboxed = await run(path, ['-sandbox', SANDBOX, '-machine', 'help'], { signal, okCodes: [0, 1] });
  const canSandbox = sandboxed.exitCode === 0;
  const listing = canSandbox ? sandboxed.stdout : (await run(path, ['-machine', 'help'], { signal })).stdout;
  const machineType = resolveMachineType(listing, options.machineType ?? MACHINE_TYPES[arch]);
  if (machineType === undefined) {
    throw new KibError('KIB_DRIVER_CANNOT', `${path} has no machine type ${options.machineType ?? MACHINE_TYPES[arch]}`, {
      hint: `choose one that ${path} -machine help lists`,
    });
  }
  return { path, version, fullVersion, machineType, canSandbox };
}

/** What `-machine help` says a type stands for; undefined when it does not list it. */
export function resolveMachineType(listing: string, wanted: string): string | undefined {
  const line = listing.split('\n').find((line) => line.split(/\s/, 1)[0] === wanted);
  if (line === undefined) return undefined;
  return /\(alias of (\S+)\)/.exec(line)?.[1] ?? wanted;
}

async function findQemu(arch: Arch, options: QemuOptions): Promise<string> {
  const name = options.binary ?? PROGRAMS[arch];
  if (isAbsolute(name)) return name;
  const path = name.includes('/') ? resolve(name) : await findProgram(name);
  if (path !== undefined) return path;
  throw missing(name, arch);
}

async function readVersion(path: string, signal: AbortSignal): Promise<Pick<QemuHost, 'version' | 'fullVersion'>> {
  try {
    const { stdout } = await run(path, ['-version'], { signal });
    const match = /QEMU emulator version ((\d+)\.(\d+).*)/.exec(stdout);
    if (match !== null) {
      return { version: { major: Number(match[2]), minor: Number(match[3]) }, fullVersion: match[1]?.trim() ?? '' };
    }
  } catch (error) {
    if (!(error instanceof CommandError) && !(error instanceof KibError && error.code === 'KIB_TOOL_MISSING')) throw error;
    throw new KibError('KIB_QEMU_MISSING', `${path} does not run as QEMU: ${error.message}`, { cause: error });
  }
  throw new KibError('KIB_QEMU_MISSING', `${path} does not say that it is QEMU`, { hint: 'check driver.binary' });
}

function missing(name: string, arch: Arch): KibError {
  const isOurs = name === PROGRAMS[arch];
  return new KibError('KIB_QEMU_MISSING', `${name} is not installed`, {
    hint: isOurs ? `kib-native doctor --install (Debian package: ${TOOLS[PROGRAMS[arch]].apt[0]})` : 'check driver.binary',
  });
}
