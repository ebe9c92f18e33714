import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Context,
  type Finding,
  KibError,
  type MachineSpec,
  Scope,
  systemClock,
  throwIfAborted,
} from '../../src/core/index.ts';
import { missingBecause, orError } from '../../src/io/findings.ts';
import { findTools } from '../../src/io/programs.ts';
import { chooseCpu } from './cpu.ts';
import { hostPrograms, registrarOf } from './launch.ts';
import { requireNetwork } from './network.ts';
import type { LibvirtOptions } from './options.ts';
import { facts, findPool } from './pool.ts';
import { connectVirsh, type Virsh } from './virsh.ts';

type Machine = Pick<MachineSpec, 'arch' | 'firmware'>;

/** What this driver needs of this host and of libvirt's. Runs a test guest there for a moment where kvm is offered; leaves nothing. */
export async function doctor(options: LibvirtOptions, machine: Machine, signal: AbortSignal): Promise<readonly Finding[]> {
  throwIfAborted(signal);
  const tools = await findTools(hostPrograms(options));
  if (tools.some(({ name, status }) => name === 'virsh' && status === 'missing')) return tools;
  const virsh = await orError(() => connectVirsh(options, systemClock, signal), signal);
  if (virsh instanceof KibError) return [...tools, missingBecause('libvirt', virsh)];
  try {
    const version = facts(await virsh.run(['version'], signal));
    const detail = `${virsh.place}: ${version['Using library'] ?? 'libvirt'}, ${version['Running hypervisor'] ?? 'QEMU'}`;
    return [
      ...tools,
      { name: 'libvirt', status: 'ok', detail },
      await pool(virsh, options, signal),
      await finding('network', signal, options.bridge ?? options.network, () => requireNetwork(virsh, options, signal)),
      await acceleration(virsh, options, machine, signal),
    ];
  } finally {
    await virsh[Symbol.asyncDispose]();
  }
}

async function pool(virsh: Virsh, options: LibvirtOptions, signal: AbortSignal): Promise<Finding> {
  // Looking changes nothing: a pool is only made when a machine needs it.
  const { poolPath, ...rest } = options;
  const found = await finding('storage pool', signal, options.pool, () => findPool(virsh, rest, signal));
  if (found.status === 'ok' || poolPath === undefined || !found.detail.includes('has no storage pool')) return found;
  return { name: found.name, status: 'ok', detail: `${options.pool} will be made in ${poolPath}` };
}

async function acceleration(virsh: Virsh, options: LibvirtOptions, { arch }: Machine, signal: AbortSignal): Promise<Finding> {
  const folder = await mkdtemp(join(tmpdir(), 'kib-doctor-'));
  await using scope = new Scope();
  try {
    const context: Context = {
      buildId: 'doctor',
      signal,
      clock: systemClock,
      span: SILENT,
      scope,
      // Nobody reads it: what the test guest is made of goes with it.
      journal: { acquire: async () => Promise.resolve(async () => Promise.resolve()) },
      dirs: { work: folder, logs: folder, cache: folder },
    };
    const request = { virsh, machine: { arch, x86Level: 1 as const }, options, registrar: registrarOf(options, folder) };
    const chosen = await orError(() => chooseCpu(request, context), signal);
    if (chosen instanceof KibError) return missingBecause('accelerator', chosen);
    if (chosen.fallback === undefined)
      return { name: 'accelerator', status: 'ok', detail: `${chosen.type}, CPU ${chosen.model}` };
    return {
      name: 'accelerator',
      status: 'warning',
      detail: `guests are emulated, about ${chosen.slowness} times slower: ${chosen.fallback}`,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const SILENT: Context['span'] = {
  id: 0,
  run: async (_kind, _name, work) => work(SILENT),
  progress: () => {},
  note: () => {},
  log: () => {},
  warn: () => {},
  emit: () => {},
  mark: () => {},
};

async function finding(name: string, signal: AbortSignal, detail: string, look: () => Promise<void>): Promise<Finding> {
  const error = await orError(look, signal);
  return error instanceof KibError ? missingBecause(name, error) : { name, status: 'ok', detail };
}
