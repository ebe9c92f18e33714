import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { writeSeedIso } from '../../cloudinit/index.ts';
import { type Context, isKibError, type LaunchRequest, localBase, throwIfAborted } from '../../src/core/index.ts';
import { claimLogs, FileConsole } from '../../src/io/console-file.ts';
import { inspectBase, type KnownBase } from '../../src/io/local-base.ts';
import { type MachineParts, withMachineParts } from '../../src/io/machine-parts.ts';
import { MachineWatch } from '../../src/io/machine-watch.ts';
import { makeOwnFolder } from '../../src/io/own-path.ts';
import { vmxText } from '../../src/io/vmx.ts';
import { type MachineFiles, SEED, vmxOf } from './config.ts';
import { DISK, writeDisk } from './disk.ts';
import { VmwareFreezer } from './freeze.ts';
import { findVmware, leaseFiles, type VmwareHost, vmnetOf } from './host.ts';
import { checkKeeping } from './keep.ts';
import { linkedClone } from './kept-machine.ts';
import { VmwareMachine, type VmwareWatch } from './machine.ts';
import type { VmwareOptions } from './options.ts';
import { machineResource, powerOff } from './reap.ts';
import { runningMachines, vmrun } from './vmrun.ts';

/** How long a power-off may take when a machine is thrown away. */
const POWER_OFF_MS = 60_000;
/** How long vmrun may take to start a machine. */
const POWER_ON_MS = 300_000;

/** Boots a machine on a disk of its own. See Driver.launch for the contract. */
export async function launch(request: LaunchRequest, options: VmwareOptions, context: Context): Promise<VmwareMachine> {
  throwIfAborted(context.signal);
  const host = await findVmware(options);
  const local = localBase(request);
  const base = await inspectBase(request, context.signal);
  // The machine of the verdict is never kept.
  if (local.isThrowaway !== true) await checkKeeping(options);
  return withMachineParts('VMware machine', context, (parts) => start({ request, options, host, base }, parts, context));
}

interface Start {
  readonly request: LaunchRequest;
  readonly options: VmwareOptions;
  readonly host: VmwareHost;
  readonly base: KnownBase;
}

async function start({ request, options, host, base }: Start, parts: MachineParts, context: Context): Promise<VmwareMachine> {
  const { signal, clock } = context;
  // Player takes no snapshots, and clones nothing.
  const place = host.product === 'player' ? undefined : request.disk;
  const name = `kib-${context.buildId}-${randomBytes(4).toString('hex')}`;
  const owners = { scope: parts.kept, journal: context.journal };
  const folder = await makeOwnFolder(join(context.dirs.work, name), owners);
  const vmx = join(folder, `${name}.vmx`);
  const { machine } = request;
  const clone =
    place === undefined ? undefined : await linkedClone({ host, options, machine, base: base.file, vmx }, owners, context);
  if (clone === undefined) await writeDisk({ base: base.file, folder, bytes: machine.diskBytes }, options, context);
  const disk = clone === undefined ? DISK : basename(clone.disk);
  const logs = await claimLogs(context.dirs.logs);
  const console = logs('console');
  const files: MachineFiles = { disk, console, seed: options.seed === 'cdrom' ? SEED : undefined };
  if (files.seed !== undefined) await writeSeedIso(request.seed, join(folder, files.seed), signal);
  const settings = vmxOf(name, machine, options, files, options.seed === 'guestinfo' ? request.seed : undefined);
  await writeFile(vmx, vmxText(settings), { mode: 0o600 });
  throwIfAborted(signal);
  await powerOn(host, vmx, options, parts, context);
  const vmnet = await vmnetOf(options);
  const leases = options.leases ?? (vmnet === undefined ? [] : leaseFiles(vmnet));
  const watch = parts.running.use('watch', watchVm(host, vmx, clock));
  throwIfAborted(signal);
  const below = place === undefined || clone === undefined ? undefined : { place, format: base.file.format, vmdk: clone.frozen };
  return new VmwareMachine({
    host,
    vmx,
    folder,
    leases,
    options,
    parts,
    watch,
    console: new FileConsole(console, undefined, clock, () => watch.hasEnded),
    freezer: below === undefined ? undefined : new VmwareFreezer({ host, vmx, options, context }, below),
    context,
  });
}

/** The console is written to a file of this host. */
function watchVm(host: VmwareHost, vmx: string, clock: Context['clock']): VmwareWatch {
  return new MachineWatch({
    clock,
    // Each look is a process.
    pollMs: 1000,
    look: async (signal) => ((await runningMachines(host, signal)).includes(vmx) ? undefined : 'off'),
    copyConsole: async () => {},
  });
}

/** Starts the machine, which `running` powers off. */
async function powerOn(
  host: VmwareHost,
  vmx: string,
  { gui }: VmwareOptions,
  { running }: MachineParts,
  context: Context,
): Promise<void> {
  const released = await context.journal.acquire(machineResource(host, vmx));
  running.defer(`machine ${vmx}`, async () => {
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
}
