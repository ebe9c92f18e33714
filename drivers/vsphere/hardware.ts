import { z } from 'zod';
import { type Context, formatBytes, KibError, type MachineSpec, MiB } from '../../src/core/index.ts';
import type { Vcenter } from './client.ts';
import { pollMs, taskMs, type VsphereOptions } from './options.ts';
import type { Network } from './placement.ts';
import { extraConfig, growDisk, reconfigure, requireViJson } from './vi-json.ts';

const machineSchema = z.object({
  name: z.string(),
  boot: z.object({ type: z.enum(['BIOS', 'EFI']) }),
  cpu: z.object({ count: z.number() }),
  memory: z.object({ size_MiB: z.number() }),
  disks: z.record(z.string(), z.object({ capacity: z.number().optional() })),
  nics: z.record(
    z.string(),
    z.object({ mac_address: z.string().optional(), backing: z.object({ network: z.string().optional() }) }),
  ),
  cdroms: z.record(z.string(), z.object({ start_connected: z.boolean() })),
  identity: z.object({ instance_uuid: z.string() }).optional(),
});

export type MachineInfo = z.output<typeof machineSchema>;

export async function readMachine(vcenter: Vcenter, vm: string, signal: AbortSignal): Promise<MachineInfo> {
  return vcenter.call({ method: 'GET', path: `/api/vcenter/vm/${vm}`, signal }, machineSchema);
}

/**
 * Makes a powered-off machine what the image wants: processors, memory, size of the disk, network, advanced settings. Returns what it is then.
 * Throws KIB_DRIVER_CANNOT for a base that cannot become it.
 */
export async function fitHardware(
  vcenter: Vcenter,
  vm: string,
  machine: MachineSpec,
  network: Network | undefined,
  options: VsphereOptions,
  context: Pick<Context, 'clock' | 'signal'>,
): Promise<MachineInfo> {
  const { signal } = context;
  const path = `/api/vcenter/vm/${vm}/hardware`;
  const found = await readMachine(vcenter, vm, signal);
  const waiting = { timeoutMs: taskMs(options), pollMs: pollMs(options) };
  requireFirmware(found, machine);
  const { disk, bytes } = onlyDisk(found);
  if (found.cpu.count !== machine.cpus) {
    await vcenter.send({ method: 'PATCH', path: `${path}/cpu`, body: { count: machine.cpus, cores_per_socket: 1 }, signal });
  }
  // vCenter takes multiples of 4 MiB only.
  const memory = Math.ceil(machine.memoryBytes / MiB / 4) * 4;
  if (found.memory.size_MiB !== memory)
    await vcenter.send({ method: 'PATCH', path: `${path}/memory`, body: { size_MiB: memory }, signal });
  if (bytes < machine.diskBytes) {
    const hint = `disk: ${formatBytes(bytes)}, or a larger template`;
    await requireViJson(
      vcenter,
      `a disk of ${formatBytes(machine.diskBytes)} from a base with ${formatBytes(bytes)}`,
      hint,
      signal,
    );
    await growDisk(vcenter, { vm, disk, bytes: machine.diskBytes }, waiting, context);
  }
  if (network !== undefined) await connect(vcenter, path, found, network, signal);
  if (Object.keys(options.extraConfig).length > 0) {
    await requireViJson(vcenter, 'driver.extraConfig', 'leave it out', signal);
    await reconfigure(vcenter, vm, extraConfig(options.extraConfig), waiting, context);
  }
  return readMachine(vcenter, vm, signal);
}

/** Address and size of the machine's one disk. */
export function onlyDisk({ name, disks }: MachineInfo): { readonly disk: string; readonly bytes: number } {
  const [first, ...more] = Object.entries(disks);
  if (first !== undefined && more.length === 0) return { disk: first[0], bytes: first[1].capacity ?? 0 };
  throw new KibError(
    'KIB_DRIVER_CANNOT',
    `${name} has ${more.length + (first === undefined ? 0 : 1)} disks; an image is made of one`,
    {
      hint: 'choose a template with one disk',
    },
  );
}

function requireFirmware({ name, boot }: MachineInfo, { firmware }: MachineSpec): void {
  const has = boot.type === 'EFI' ? 'uefi' : 'bios';
  if (has === firmware) return;
  throw new KibError('KIB_DRIVER_CANNOT', `${name} boots with ${has}, the image with ${firmware}`, { hint: `firmware: ${has}` });
}

async function connect(
  vcenter: Vcenter,
  path: string,
  { nics }: MachineInfo,
  { id, type }: Network,
  signal: AbortSignal,
): Promise<void> {
  const backing = { type, network: id };
  const cards = Object.entries(nics);
  if (cards.length === 0) {
    await vcenter.call(
      { method: 'POST', path: `${path}/ethernet`, body: { type: 'VMXNET3', backing, start_connected: true }, signal },
      z.string(),
    );
  }
  for (const [nic, { backing: has }] of cards) {
    if (has.network !== id)
      await vcenter.send({ method: 'PATCH', path: `${path}/ethernet/${nic}`, body: { backing, start_connected: true }, signal });
  }
}
