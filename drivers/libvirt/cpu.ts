import { type Context, KibError, type MachineSpec } from '../../src/core/index.ts';
import type { DomainCpu } from './domain-xml.ts';
import type { LibvirtOptions } from './options.ts';
import { probeKvm, type Verdict } from './probe.ts';
import type { Registrar } from './resources.ts';
import type { Virsh } from './virsh.ts';

/** How guests are run on the host, and what it costs. */
export interface ChosenCpu extends DomainCpu {
  /** Factor on deadlines of the guest: 1 with hardware virtualisation. */
  readonly slowness: number;
  /** Why it is emulation although hardware virtualisation was wished for. */
  readonly fallback?: string;
}

export interface CpuRequest {
  readonly virsh: Virsh;
  readonly machine: Pick<MachineSpec, 'arch' | 'x86Level'>;
  readonly options: Pick<LibvirtOptions, 'domainType' | 'cpuModel' | 'machineType'>;
  readonly registrar: Registrar;
}

/** On the generous side, since it only stretches deadlines. */
const QEMU_SLOWNESS = 8;
const ARCHITECTURES = { amd64: 'x86_64', arm64: 'aarch64' } as const;

/** Chooses by trying. Throws KIB_ACCELERATOR when the type asked for cannot run guests there, or none can run one of that x86-64 level. */
export async function chooseCpu(request: CpuRequest, context: Context): Promise<ChosenCpu> {
  const { options } = request;
  if (options.domainType === 'qemu') return emulation(request, context);
  const verdict = await judgeKvm(request, context);
  if (verdict.usable) return { type: 'kvm', model: options.cpuModel ?? 'host-passthrough', slowness: 1 };
  if (options.domainType === 'auto') return { ...(await emulation(request, context)), fallback: verdict.reason };
  throw new KibError('KIB_ACCELERATOR', `wanted kvm on ${request.virsh.place}, but ${verdict.reason}`, {
    hint: 'domainType: auto falls back to emulation',
  });
}

async function judgeKvm({ virsh, machine, options, registrar }: CpuRequest, context: Context): Promise<Verdict> {
  const arch = ARCHITECTURES[machine.arch];
  const capabilities = await virsh.run(['capabilities'], context.signal);
  if (!offersKvm(capabilities, arch)) return { usable: false, reason: `libvirt offers no kvm for ${arch} there` };
  // There is no test guest that could tell through libvirt on arm64; it has been enough there that libvirt lists it.
  if (machine.arch === 'arm64') return { usable: true };
  return probeKvm(virsh, options.cpuModel ?? 'host-passthrough', registrar, context);
}

/** Whether `virsh capabilities` lists kvm for that architecture. */
export function offersKvm(capabilities: string, arch: string): boolean {
  const guest = capabilities.split('<guest>').find((part) => part.includes(`<arch name='${arch}'>`));
  return guest?.includes("<domain type='kvm'") ?? false;
}

async function emulation({ virsh, machine, options }: CpuRequest, context: Context): Promise<ChosenCpu> {
  const cpu = { type: 'qemu', model: options.cpuModel ?? 'maximum', slowness: QEMU_SLOWNESS } as const;
  if (machine.arch !== 'amd64' || machine.x86Level < 3 || options.cpuModel !== undefined) return cpu;
  // `max` has AVX2 and the rest of x86-64-v3 from 7.2 on (QEMU 7.2 change log).
  const [, major = '0', minor = '0'] =
    /Running hypervisor: QEMU (\d+)\.(\d+)/.exec(await virsh.run(['version'], context.signal)) ?? [];
  if (Number(major) > 7 || (Number(major) === 7 && Number(minor) >= 2)) return cpu;
  throw new KibError(
    'KIB_ACCELERATOR',
    `the guest needs x86-64-v3, which QEMU ${major}.${minor} of ${virsh.place} cannot emulate`,
    {
      hint: 'use a host with KVM, or QEMU 7.2 or later',
    },
  );
}
