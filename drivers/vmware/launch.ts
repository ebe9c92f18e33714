import { randomBytes } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { writeSeedIso } from '../../cloudinit/index.ts';
import {
  type Context,
  isKibError,
  type LaunchRequest,
  localBase,
  releasing,
  Scope,
  throwIfAborted,
} from '../../src/core/index.ts';
import { claimLogs, FileConsole } from '../../src/io/console-file.ts';
import { vmxText } from '../../src/io/vmx.ts';
import { type MachineFiles, vmxOf } from './config.ts';
import { DISK, inspectBase, writeDisk } from './disk.ts';
import { findVmware, leaseFiles, type VmwareHost, vmnetOf } from './host.ts';
import { VmwareMachine } from './machine.ts';
import type { VmwareOptions } from './options.ts';
import { machineResource, powerOff } from './reap.ts';
import { vmrun } from './vmrun.ts';

/** How long a power-off may take when a machine is thrown away. */
const POWER_OFF_MS = 60_000;
/** How long vmrun may take to start a machine. */
const POWER_ON_MS = 300_000;

/** Boots a machine on a disk of its own. See Driver.launch for the contract. */
export async function launch(request: LaunchRequest, options: VmwareOptions, context: Context): Promise<VmwareMachine> {
  throwIfAborted(context.signal);
  const host = await findVmware(options);
  const base = await inspectBase(
    { ...localBase(request), path: resolve(localBase(request).path) },
    request.machine.diskBytes,
    context.signal,
  );
  const parts = new Scope();
  const abandon = context.scope.defer('VMware machine', () => parts[Symbol.asyncDispose]());
  try {
    const machine = await start({ request, options, host, base }, parts, abandon, context);
    return machine;
  } catch (error) {
    abandon();
    await releasing(
      () => parts[Symbol.asyncDispose](),
      () => Promise.reject(error as Error),
    );
    throw error;
  }
}

interface Start {
  readonly request: LaunchRequest;
  readonly options: VmwareOptions;
  readonly host: VmwareHost;
  readonly base: Awaited<ReturnType<typeof inspectBase>>;
}

async function start(
  { request, options, host, base }: Start,
  parts: Scope,
  abandon: () => void,
  context: Context,
): Promise<VmwareMachine> {
  const { signal, clock } = context;
  const name = `kib-${context.buildId}-${randomBytes(4).toString('hex')}`;
  const folder = await machineFolder(name, parts, context);
  const logs = await claimLogs(context.dirs.logs);
  const console = logs('console');
  const files: MachineFiles = { disk: DISK, console, seed: options.seed === 'cdrom' ? 'seed.iso' : undefined };
  await writeDisk(base, folder, request.machine.diskBytes, options, context);
  if (files.seed !== undefined) await writeSeedIso(request.seed, join(folder, files.seed), signal);
  const settings = vmxOf(name, request.machine, options, files, options.seed === 'guestinfo' ? request.seed : undefined);
  const vmx = join(folder, `${name}.vmx`);
  await writeFile(vmx, vmxText(settings), { mode: 0o600 });
  throwIfAborted(signal);
  const power = await powerOn(host, vmx, options, parts, context);
  const vmnet = await vmnetOf(options);
  const leases = options.leases ?? (vmnet === undefined ? [] : await leaseFiles(vmnet));
  const machine: VmwareMachine = new VmwareMachine({
    host,
    vmx,
    folder,
    leases,
    options,
    parts,
    power,
    abandon,
    context,
    console: new FileConsole(console, undefined, clock, () => machine.isOff),
  });
  return machine;
}

/** Made for this user alone and journalled before it exists. */
async function machineFolder(name: string, parts: Scope, { dirs, journal }: Context): Promise<string> {
  const path = join(dirs.work, name);
  const released = await journal.acquire({ kind: 'path', id: path });
  parts.defer(`folder ${path}`, async () => {
    await rm(path, { recursive: true, force: true });
    await released();
  });
  await mkdir(path, { mode: 0o700 });
  return path;
}

/** Starts the machine; the returned scope powers it off, and is part of `parts`. */
async function powerOn(host: VmwareHost, vmx: string, { gui }: VmwareOptions, parts: Scope, context: Context): Promise<Scope> {
  const power = parts.use('power', new Scope());
  const released = await context.journal.acquire(machineResource(host, vmx));
  power.defer(`machine ${vmx}`, async () => {
    await powerOff(host, vmx, AbortSignal.timeout(POWER_OFF_MS));
    await released();
  });
  throwIfAborted(context.signal);
  // Never cut short: a machine that starts after its vmrun was ended would be nobody's.
  await vmrun(host, ['start', vmx, gui ? 'gui' : 'nogui'], AbortSignal.timeout(POWER_ON_MS)).catch((error: unknown) => {
    if (isKibError(error)) error.suppressed.push(new Error(`the machine's log is ${join(vmx, '..', 'vmware.log')}`));
    throw error;
  });
  throwIfAborted(context.signal);
  return power;
}
