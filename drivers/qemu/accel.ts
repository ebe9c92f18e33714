import { constants } from 'node:fs';
import { access, readFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { KibError, type MachineSpec, type ProbeStore, systemCode } from '../../src/core/index.ts';
import { levelOf, parseFlags } from './cpu.ts';
import { isAtLeast, type QemuHost } from './host.ts';
import type { QemuOptions } from './options.ts';
import { keptVerdict } from './probe/kept.ts';
import { smokeBoot, type Verdict } from './probe/smoke-boot.ts';

/** How guests are run, and what it costs. */
export interface Acceleration {
  readonly accelerator: 'kvm' | 'hvf' | 'tcg';
  /** For -cpu. */
  readonly cpu: string;
  /** Factor on deadlines of the guest: 1 with hardware virtualisation. */
  readonly slowness: number;
  /** Why it is emulation although hardware virtualisation was wished for. */
  readonly fallback?: Verdict & { readonly usable: false };
}

export interface AccelerationRequest {
  readonly machine: Pick<MachineSpec, 'arch' | 'x86Level'>;
  readonly options: Pick<QemuOptions, 'accelerator' | 'cpuModel'>;
  readonly qemu: QemuHost;
  /** Makes a folder for the test guest's image; only called when one is needed. The caller removes it. */
  readonly makeFolder: () => Promise<string>;
  /** Without it the test guest always runs. */
  readonly probes?: ProbeStore | undefined;
  readonly signal: AbortSignal;
}

/** On the generous side, since it only stretches deadlines. */
const TCG_SLOWNESS = 8;

/**
 * Chooses by trying: a test guest must run on the accelerator, with the CPU model the machine will have. Throws KIB_ACCELERATOR when the
 * one asked for cannot run guests here, or none can run one of that x86-64 level.
 */
export async function chooseAcceleration(request: AccelerationRequest): Promise<Acceleration> {
  const { options } = request;
  if (options.accelerator === 'tcg') return emulation(request);
  const hardware = options.accelerator === 'auto' ? (process.platform === 'darwin' ? 'hvf' : 'kvm') : options.accelerator;
  const verdict = await judgeHardware(hardware, request);
  if (verdict.usable) return { accelerator: hardware, cpu: options.cpuModel ?? 'host', slowness: 1 };
  if (options.accelerator === 'auto') return { ...emulation(request), fallback: verdict };
  throw new KibError('KIB_ACCELERATOR', `wanted ${hardware}, but ${verdict.reason}`, {
    hint: verdict.hint ?? 'driver.accelerator: auto falls back to emulation',
  });
}

/** Whether guests run on `hardware` here; looks at what is cheap first, so that the reason is as plain as it can be. */
export async function judgeHardware(hardware: 'kvm' | 'hvf', request: AccelerationRequest): Promise<Verdict> {
  const { machine, options } = request;
  if (machine.arch !== hostArch()) return no(`this host is ${hostArch()} and the guest ${machine.arch}`);
  if (hardware === 'kvm') {
    const device = await judgeDevice();
    if (!device.usable) return device;
  }
  if (machine.arch === 'amd64' && isHostModel(options.cpuModel)) {
    const flags = parseFlags(await readFile('/proc/cpuinfo', 'utf8').catch(() => ''));
    const level = flags === undefined ? 3 : levelOf(flags);
    if (level < machine.x86Level) return no(`this CPU is x86-64-v${level} and the guest needs v${machine.x86Level}`);
  }
  const boot = { qemu: request.qemu.path, arch: machine.arch, accelerator: hardware, cpu: options.cpuModel ?? 'host' };
  return keptVerdict(request.probes, boot, async () => {
    const image = join(await request.makeFolder(), 'probe.img');
    return smokeBoot({ ...boot, image, signal: request.signal });
  });
}

function emulation({ machine, options, qemu }: AccelerationRequest): Acceleration {
  // `max` has AVX2 and the rest of x86-64-v3 from 7.2 on (QEMU 7.2 change log).
  if (machine.arch === 'amd64' && machine.x86Level === 3 && options.cpuModel === undefined && !isAtLeast(qemu.version, 7, 2)) {
    throw new KibError(
      'KIB_ACCELERATOR',
      `the guest needs x86-64-v3, which QEMU ${qemu.version.major}.${qemu.version.minor} cannot emulate`,
      { hint: 'use a host with KVM, or QEMU 7.2 or later' },
    );
  }
  // TCG has no `host`; `max` is what it does best.
  const cpu = isHostModel(options.cpuModel) ? (options.cpuModel ?? 'host').replace(/^host/, 'max') : (options.cpuModel ?? 'max');
  return { accelerator: 'tcg', cpu, slowness: TCG_SLOWNESS };
}

async function judgeDevice(): Promise<Verdict> {
  try {
    await access('/dev/kvm', constants.R_OK | constants.W_OK);
    return { usable: true };
  } catch (error) {
    if (systemCode(error) !== 'EACCES')
      return no('this host has no /dev/kvm (no virtualisation in the CPU, switched off, or inside a VM)');
    const user = userInfo().username;
    return no(`${user} may not open /dev/kvm`, `add yourself to group kvm: sudo usermod -aG kvm ${user}, then log in again`);
  }
}

function isHostModel(cpuModel: string | undefined): boolean {
  return cpuModel === undefined || cpuModel === 'host' || cpuModel.startsWith('host,');
}

/** By the names of this project, where it has one. */
function hostArch(): string {
  return process.arch === 'x64' ? 'amd64' : process.arch;
}

function no(reason: string, hint?: string): Verdict & { readonly usable: false } {
  return { usable: false, reason, ...(hint === undefined ? {} : { hint }) };
}
