import { access, constants, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Registry } from '../config/schema.ts';
import { type Arch, type Driver, errorMessage, type Finding, type Firmware, formatBytes, isKibError } from '../core/index.ts';
import { BOOTSTRAP_TOOLS } from '../engine/base/bootstrap.ts';
import { findTools } from '../io/programs.ts';
import { type CliIo, cacheHome, stateHome } from './io.ts';

/** Findings about one thing that kib-native does on this host. */
export interface HostCheck {
  readonly title: string;
  readonly findings: readonly Finding[];
}

/** Every build signs in by a seed, may meet a signed checksum file, and looks for its own leftovers. */
const BUILD_TOOLS = ['xorriso', 'gpgv', 'ps'];

export interface HostCheckRequest {
  readonly registry: Registry;
  readonly drivers: readonly Driver[];
  readonly arch: Arch;
  readonly io: CliIo;
}

/** Looks at the host for everything builds may need. Changes nothing but what drivers remember of earlier looks. */
export async function checkHost({ registry, drivers, arch, io }: HostCheckRequest): Promise<readonly HostCheck[]> {
  const formatTools = registry.exporters.flatMap((exporter) => exporter.tools);
  return [
    {
      title: 'this program',
      findings: [nodeVersion(), await folder('cache', cacheHome(io.env)), await folder('state', stateHome(io.env))],
    },
    { title: 'every build', findings: await findTools([...BUILD_TOOLS, ...formatTools]) },
    ...(await Promise.all(
      drivers.map(async (driver) => ({
        title: `driver ${driver.name}`,
        findings: await driverFindings(driver, { arch, firmware: 'uefi' }, io),
      })),
    )),
    { title: 'base bootstrap', findings: optional(await findTools(BOOTSTRAP_TOOLS)) },
    { title: 'kib-native ssh', findings: optional(await findTools(['ssh'])) },
  ];
}

async function driverFindings(
  driver: Driver,
  machine: { readonly arch: Arch; readonly firmware: Firmware },
  io: CliIo,
): Promise<readonly Finding[]> {
  const options = driver.options.safeParse({});
  if (!options.success) {
    return [
      {
        name: driver.name,
        status: 'warning',
        detail: 'has options without a default; name an image instead',
        fix: 'kib-native validate <image>',
      },
    ];
  }
  try {
    // What builds believe about this host is found out anew.
    return await driver.doctor(options.data, machine, io.signal, { folder: cacheHome(io.env), isRenewed: true });
  } catch (error) {
    if (!isKibError(error) || error.class === 'cancelled') throw error;
    return [
      { name: driver.name, status: 'missing', detail: error.message, ...(error.hint === undefined ? {} : { fix: error.hint }) },
    ];
  }
}

// Not needed by every user: told, installed by --install, but no reason to fail.
function optional(findings: readonly Finding[]): readonly Finding[] {
  return findings.map((finding) => (finding.status === 'missing' ? { ...finding, status: 'warning' } : finding));
}

function nodeVersion(): Finding {
  return { name: 'node', status: 'ok', detail: process.versions.node };
}

async function folder(name: string, path: string): Promise<Finding> {
  const existing = await nearestExisting(path);
  try {
    await access(existing, constants.W_OK);
    const { bavail, bsize } = await statfs(existing);
    return { name: `${name} folder`, status: 'ok', detail: `${path}, ${formatBytes(bavail * bsize)} free` };
  } catch (error) {
    return {
      name: `${name} folder`,
      status: 'missing',
      detail: `${path} cannot be written: ${errorMessage(error)}`,
      fix: `set XDG_${name.toUpperCase()}_HOME to a folder of yours`,
    };
  }
}

async function nearestExisting(path: string): Promise<string> {
  try {
    await access(path, constants.F_OK);
    return path;
  } catch {
    return dirname(path) === path ? path : nearestExisting(dirname(path));
  }
}
