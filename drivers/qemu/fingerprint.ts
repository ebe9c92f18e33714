import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import type { Context, MachineSpec } from '../../src/core/index.ts';
import { hashFile } from '../../src/io/hash.ts';
import { qemuArgv } from './args.ts';
import { parseFlags } from './cpu.ts';
import { type HostFacts, hostFacts } from './facts.ts';
import type { QemuOptions } from './options.ts';
import { PLACEHOLDERS } from './preview.ts';

/** See MemoryAbility.fingerprint: `7.2.22 (Debian …), pc-q35-7.2, tcg max, devices 0123456789ab`. */
export async function fingerprint(machine: MachineSpec, options: QemuOptions, context: Context): Promise<string> {
  return fingerprintOf(machine, options, await hostFacts(machine, options, context), context.signal);
}

/** The same for a host that was looked at already. */
export async function fingerprintOf(
  machine: MachineSpec,
  options: QemuOptions,
  facts: HostFacts,
  signal: AbortSignal,
): Promise<string> {
  const { qemu, acceleration, uefi } = facts;
  const { accelerator, cpu } = acceleration;
  // The command line is all that makes the machine; what of it the guest cannot see is left out.
  const argv = qemuArgv({
    host: { path: '', machineType: qemu.machineType, canSandbox: false },
    acceleration,
    name: '',
    machine,
    options: { ...options, display: 'none', vncPort: undefined, cache: 'unsafe', discard: false },
    uefi,
    files: PLACEHOLDERS,
  });
  const firmware =
    uefi === undefined
      ? ''
      : (await hashFile(uefi.kind === 'flash' ? uefi.code.path : uefi.path, 'sha256', { signal })).digests.sha256;
  const host = accelerator === 'tcg' || !cpu.startsWith('host') ? '' : await hostCpu();
  const devices = digest([argv, machine.diskBytes, firmware, host]);
  return `${qemu.fullVersion}, ${qemu.machineType}, ${accelerator} ${cpu}, devices ${devices}`;
}

/** What `-cpu host` shows the guest. */
async function hostCpu(): Promise<string> {
  const flags = parseFlags(await readFile('/proc/cpuinfo', 'utf8').catch(() => '')) ?? [];
  return [cpus()[0]?.model ?? '', ...[...flags].sort()].join(' ');
}

function digest(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 12);
}
