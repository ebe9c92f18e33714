import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Finding, KibError, type MachineSpec, type ProbeStore, throwIfAborted } from '../../src/core/index.ts';
import { missingBecause, orError } from '../../src/io/findings.ts';
import { findTools } from '../../src/io/programs.ts';
import { TOOLS } from '../../src/io/tools.ts';
import { chooseAcceleration } from './accel.ts';
import { descriptorDirs, FIRMWARE_PACKAGES, findUefi, readDescriptors } from './firmware.ts';
import { inspectQemu, PROGRAMS, type QemuHost } from './host.ts';
import type { QemuOptions } from './options.ts';

type Machine = Pick<MachineSpec, 'arch' | 'firmware'>;

/** What this driver needs of the host, found or not. Runs a test guest for a moment; leaves nothing. */
export async function doctor(
  options: QemuOptions,
  machine: Machine,
  signal: AbortSignal,
  probes?: ProbeStore,
): Promise<readonly Finding[]> {
  throwIfAborted(signal);
  const qemu = await orError(() => inspectQemu(machine.arch, options, signal), signal);
  const tools = await findTools(['qemu-img', 'xorriso', ...(options.tpm ? ['swtpm'] : [])]);
  if (qemu instanceof KibError) return [missingBecause('QEMU', qemu, TOOLS[PROGRAMS[machine.arch]]), ...tools];
  return [
    { name: 'QEMU', status: 'ok', detail: `${qemu.path} ${qemu.version.major}.${qemu.version.minor}, ${qemu.machineType}` },
    ...tools,
    ...(await findTools(['zstd'])).map(optional),
    await acceleration(qemu, options, machine, signal, probes),
    await firmware(qemu, machine, signal),
  ];
}

async function acceleration(
  qemu: QemuHost,
  options: QemuOptions,
  machine: Machine,
  signal: AbortSignal,
  probes: ProbeStore | undefined,
): Promise<Finding> {
  const folder = await mkdtemp(join(tmpdir(), 'kib-doctor-'));
  try {
    const makeFolder = () => Promise.resolve(folder);
    const request = { machine: { arch: machine.arch, x86Level: 1 as const }, options, qemu, makeFolder, probes, signal };
    const chosen = await orError(() => chooseAcceleration(request), signal);
    if (chosen instanceof KibError) return missingBecause('accelerator', chosen);
    if (chosen.fallback === undefined)
      return { name: 'accelerator', status: 'ok', detail: `${chosen.accelerator}, -cpu ${chosen.cpu}` };
    const { reason, hint } = chosen.fallback;
    const detail = `guests are emulated, about ${chosen.slowness} times slower: ${reason}`;
    return { name: 'accelerator', status: 'warning', detail, ...(hint === undefined ? {} : { fix: hint }) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function firmware(qemu: QemuHost, machine: Machine, signal: AbortSignal): Promise<Finding> {
  if (machine.firmware === 'bios') return { name: 'firmware', status: 'ok', detail: 'BIOS, part of QEMU' };
  const found = await orError(
    async () => findUefi(await readDescriptors(await descriptorDirs(qemu.path)), machine.arch, qemu.machineType),
    signal,
  );
  if (found instanceof KibError) return missingBecause('firmware', found, FIRMWARE_PACKAGES[machine.arch]);
  return { name: 'firmware', status: 'ok', detail: `UEFI, ${found.kind === 'flash' ? found.code.path : found.path}` };
}

// Saved memory takes three times the room without it.
function optional(finding: Finding): Finding {
  return finding.status === 'missing' ? { ...finding, status: 'warning' } : finding;
}
