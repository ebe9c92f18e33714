import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeSeedIso } from '../../cloudinit/index.ts';
import { type Context, type LaunchRequest, localBase, throwIfAborted } from '../../src/core/index.ts';
import { claimLogs, FileConsole } from '../../src/io/console-file.ts';
import { inspectBase, type KnownBase } from '../../src/io/local-base.ts';
import { type MachineParts, withMachineParts } from '../../src/io/machine-parts.ts';
import { makeOwnFolder } from '../../src/io/own-path.ts';
import { requirePrograms } from '../../src/io/programs.ts';
import { type Vmx, vmxText } from '../../src/io/vmx.ts';
import { makeDisk } from './disk.ts';
import { nameTaken } from './keep.ts';
import { EsxiMachine } from './machine.ts';
import type { EsxiOptions } from './options.ts';
import { requireDatastore, requirePortGroup, rootFolder } from './place.ts';
import { machineName, registered } from './resources.ts';
import { connectEsxi, type EsxiShell } from './shell.ts';
import { isNameTaken, powerOn, register } from './vm.ts';
import { CONSOLE, SEED, vmxOf } from './vmx.ts';
import { watchVm } from './watch.ts';

/** Boots a machine on a thin disk of its own. See Driver.launch for the contract; errors are KIB_ESXI… and KIB_HOST…. */
export async function launch(request: LaunchRequest, options: EsxiOptions, context: Context): Promise<EsxiMachine> {
  throwIfAborted(context.signal);
  await requirePrograms(hostPrograms(options));
  return withMachineParts('ESXi machine', context, (parts) => start(request, options, parts, context));
}

/** Programs that this host needs. */
export function hostPrograms({ seed }: Pick<EsxiOptions, 'seed'>): readonly string[] {
  return ['qemu-img', ...(seed === 'cdrom' ? ['xorriso'] : [])];
}

async function start(request: LaunchRequest, options: EsxiOptions, parts: MachineParts, context: Context): Promise<EsxiMachine> {
  const { machine } = request;
  const { signal, clock, dirs } = context;
  const given = localBase(request);
  const base = await inspectBase(request, signal);
  const shell = parts.kept.use('connection', await connectEsxi(options, clock, signal));
  await look(shell, options, given.isThrowaway === true, signal);
  throwIfAborted(signal);
  const name = machineName(context);
  const local = await makeOwnFolder(join(dirs.work, name), { scope: parts.kept, journal: context.journal });
  const folder = await remoteFolder(name, shell, options, parts, context);
  const settings = vmxOf(name, machine, options, request.seed);
  await fill({ request, options, shell, base, local, remote: folder, settings, vmx: `${name}.vmx` }, context);
  throwIfAborted(signal);
  const vmid = await startMachine(`${folder}/${name}.vmx`, shell, options, parts, context);
  const logs = await claimLogs(dirs.logs);
  const watched = { shell, vmid, console: `${folder}/${CONSOLE}`, consolePath: logs('console'), clock };
  const watch = parts.running.use('watch', watchVm(watched));
  throwIfAborted(signal);
  return new EsxiMachine({
    shell,
    vmid,
    name,
    folder,
    local,
    settings,
    options,
    diskBytes: machine.diskBytes,
    parts,
    watch,
    console: new FileConsole(logs('console'), undefined, clock, () => watch.hasEnded),
    context,
  });
}

/** Everything that can be wrong with the options and is seen without changing the host. */
async function look(shell: EsxiShell, options: EsxiOptions, isVerdict: boolean, signal: AbortSignal): Promise<void> {
  await requireDatastore(shell, options, signal);
  await requirePortGroup(shell, options, signal);
  const { keepAs } = options;
  // The machine of the verdict is never kept.
  if (keepAs === undefined || isVerdict) return;
  const folder = `${rootFolder(options)}/${keepAs}`;
  if (!(await isNameTaken(shell, keepAs, signal)) && !(await shell.exists(folder, signal))) return;
  throw nameTaken(shell, keepAs, folder);
}

async function remoteFolder(
  name: string,
  shell: EsxiShell,
  options: EsxiOptions,
  { kept }: MachineParts,
  context: Context,
): Promise<string> {
  const path = `${rootFolder(options)}/${name}`;
  await registered({ kind: 'esxi:path', id: path, options }, shell, kept, context);
  throwIfAborted(context.signal);
  // Never cut short: it would be made after it was removed.
  await shell.run(['mkdir', '-p', path], new AbortController().signal);
  throwIfAborted(context.signal);
  return path;
}

interface Files {
  readonly request: LaunchRequest;
  readonly options: EsxiOptions;
  readonly shell: EsxiShell;
  readonly base: KnownBase;
  readonly local: string;
  readonly remote: string;
  readonly settings: Vmx;
  readonly vmx: string;
}

async function fill({ request, options, shell, base, local, remote, settings, vmx }: Files, context: Context): Promise<void> {
  const { signal } = context;
  const isThrowaway = localBase(request).isThrowaway === true;
  await makeDisk({ shell, base, isThrowaway, diskBytes: request.machine.diskBytes, options, local, remote }, context);
  if (options.seed === 'cdrom') {
    const iso = join(local, SEED);
    await writeSeedIso(request.seed, iso, signal);
    await shell.upload(iso, `${remote}/${SEED}`, signal);
  }
  const text = join(local, vmx);
  await writeFile(text, vmxText(settings), { mode: 0o600 });
  await shell.upload(text, `${remote}/${vmx}`, signal);
}

async function startMachine(
  vmx: string,
  shell: EsxiShell,
  options: EsxiOptions,
  { running }: MachineParts,
  context: Context,
): Promise<string> {
  await registered({ kind: 'esxi:vm', id: vmx, options }, shell, running, context);
  throwIfAborted(context.signal);
  // Never cut short: who knows how far it came.
  const vmid = await register(shell, vmx, new AbortController().signal);
  throwIfAborted(context.signal);
  await powerOn(shell, vmid, vmx.replace(/[^/]+$/, 'vmware.log'), context.clock, context.signal);
  return vmid;
}
