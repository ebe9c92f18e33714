import { copyFile, mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { writeSeedIso } from '../../cloudinit/iso.ts';
import {
  type Context,
  formatBytes,
  isKibError,
  KibError,
  type LaunchRequest,
  type PreviewLine,
  throwIfAborted,
} from '../../src/core/index.ts';
import { CommandError } from '../../src/io/process.ts';
import { create, type DiskFile, info } from '../../src/io/qemu-img.ts';
import { type Acceleration, chooseAcceleration } from './accel.ts';
import { type MachineFiles, qemuArgv } from './args.ts';
import { baseFile, logCommands, overlayArgv } from './commands.ts';
import { FileConsole } from './console.ts';
import { requireLevel } from './cpu.ts';
import { descriptorDirs, findUefi, readDescriptors, type UefiFirmware } from './firmware.ts';
import { inspectQemu, type QemuHost } from './host.ts';
import { QemuMachine } from './machine.ts';
import type { QemuOptions } from './options.ts';
import { claimLogs, folderNames, type MachineLogs, type MachineParts, machineParts, ownFolder } from './parts.ts';
import { startQemu } from './process.ts';
import { findSwtpm, type SwtpmFiles, startSwtpm, swtpmArgv } from './swtpm.ts';

/** Boots a machine on a fresh overlay of the base. See Driver.launch for the contract; errors are KIB_… of this driver. */
export async function launch(request: LaunchRequest, options: QemuOptions, context: Context): Promise<QemuMachine> {
  throwIfAborted(context.signal);
  const { machine } = request;
  requireLevel(options.cpuModel, machine);
  if (machine.arch === 'arm64' && machine.firmware === 'bios') {
    throw new KibError('KIB_DRIVER_CANNOT', 'there is no BIOS for arm64', { hint: 'firmware: uefi' });
  }
  const qemu = await inspectQemu(machine.arch, options, context.signal);
  const uefi = machine.firmware === 'uefi' ? await findFirmware(qemu, request) : undefined;
  const swtpm = options.tpm ? await findSwtpm() : undefined;
  const backing = await inspectBase(request, context);
  const parts = machineParts(context);
  try {
    return await start({ request, options, qemu, uefi, swtpm, backing, parts }, context);
  } catch (error) {
    try {
      await parts[Symbol.asyncDispose]();
    } catch (leak) {
      if (isKibError(error)) error.suppressed.push(leak);
    }
    throw error;
  }
}

interface Ingredients {
  readonly request: LaunchRequest;
  readonly options: QemuOptions;
  readonly qemu: QemuHost;
  readonly uefi: UefiFirmware | undefined;
  /** Path of swtpm, when the machine gets a TPM. */
  readonly swtpm: string | undefined;
  readonly backing: DiskFile;
  readonly parts: MachineParts;
}

async function start(ingredients: Ingredients, context: Context): Promise<QemuMachine> {
  const { request, options, qemu, uefi, parts } = ingredients;
  const { machine } = request;
  const names = folderNames(context);
  const folder = await ownFolder(names.disk, parts.kept, context);
  throwIfAborted(context.signal);
  const acceleration = await chooseAcceleration({ machine, options, qemu, folder, signal: context.signal });
  warnAboutEmulation(acceleration, context);
  const sockets = await ownFolder(names.sockets, parts.running, context);
  throwIfAborted(context.signal);
  const logs = await claimLogs(context.dirs.logs);
  const files = machineFiles(folder, sockets, logs, uefi);
  const tpm = await tpmCommand(ingredients, folder, sockets, files);
  const argv = qemuArgv({ name: `kib-${context.buildId}`, machine, options, host: qemu, acceleration, uefi, files });
  await makeFiles(ingredients, files, context);
  await logCommands(commands(ingredients, files, tpm?.argv, argv), context.dirs);
  throwIfAborted(context.signal);
  const swtpm = tpm === undefined ? undefined : await startSwtpm(tpm.argv, tpm.files, logs.qemu, parts.running, context);
  const process = { argv, pidfile: files.pidfile, qmpSocket: files.qmp, log: logs.qemu };
  const started = await startQemu(process, parts.running, context);
  const firmwareLog = machine.arch === 'amd64' ? files.firmwareLog : undefined;
  return new QemuMachine({
    qemu: started,
    swtpm,
    parts,
    slowness: acceleration.slowness,
    console: new FileConsole(files.console, firmwareLog, context.clock, () => !started.daemon.isRunning),
    disk: files.disk,
    secrets: [files.seed, files.vars, ...(tpm === undefined ? [] : [tpm.files.state])],
    context,
  });
}

async function makeFiles({ request, backing, uefi }: Ingredients, files: MachineFiles, { signal }: Context): Promise<void> {
  await create({ path: files.disk, format: 'qcow2', bytes: request.machine.diskBytes, backing }, signal);
  await writeSeedIso(request.seed, files.seed, signal);
  if (uefi?.kind === 'flash') await copyFile(uefi.vars.path, files.vars);
}

function commands(
  { request, backing }: Ingredients,
  files: MachineFiles,
  tpm: readonly string[] | undefined,
  argv: readonly string[],
): readonly PreviewLine[] {
  return [
    { title: 'Make the disk', argv: overlayArgv(files.disk, request.machine.diskBytes, backing) },
    ...(tpm === undefined ? [] : [{ title: 'Start the TPM', argv: tpm }]),
    { title: 'Start the machine', argv },
  ];
}

async function findFirmware(qemu: QemuHost, { machine }: LaunchRequest): Promise<UefiFirmware> {
  return findUefi(await readDescriptors(await descriptorDirs(qemu.path)), machine.arch, qemu.machineType);
}

async function inspectBase(request: LaunchRequest, context: Context): Promise<DiskFile> {
  // A backing file is named from the overlay's folder, so the path must not depend on ours.
  const backing = baseFile({ base: { ...request.base, path: resolve(request.base.path) } });
  let bytes: number;
  try {
    bytes = (await info(backing, context.signal)).virtualBytes;
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    throw new KibError('KIB_DRIVER_CANNOT', `the base cannot be opened as ${backing.format}: ${error.message}`, { cause: error });
  }
  if (bytes <= request.machine.diskBytes) return backing;
  throw new KibError(
    'KIB_DRIVER_CANNOT',
    `wanted a disk of ${formatBytes(request.machine.diskBytes)}, but the base already has ${formatBytes(bytes)}`,
    { hint: `disk: ${Math.ceil(bytes / 1024 ** 3)}GiB` },
  );
}

function machineFiles(folder: string, sockets: string, logs: MachineLogs, uefi: UefiFirmware | undefined): MachineFiles {
  return {
    disk: join(folder, 'disk.qcow2'),
    seed: join(folder, 'seed.iso'),
    vars: join(folder, uefi?.kind === 'flash' && uefi.vars.format === 'qcow2' ? 'vars.qcow2' : 'vars.fd'),
    pidfile: join(sockets, 'qemu.pid'),
    qmp: join(sockets, 'qmp.sock'),
    tpm: join(sockets, 'swtpm.sock'),
    console: logs.console,
    firmwareLog: logs.firmware,
  };
}

interface TpmCommand {
  readonly argv: readonly string[];
  readonly files: SwtpmFiles;
}

async function tpmCommand(
  { swtpm }: Ingredients,
  folder: string,
  sockets: string,
  { tpm }: MachineFiles,
): Promise<TpmCommand | undefined> {
  if (swtpm === undefined) return undefined;
  const files = { state: join(folder, 'tpm'), socket: tpm, pidfile: join(sockets, 'swtpm.pid') };
  await mkdir(files.state, { mode: 0o700 });
  return { argv: swtpmArgv(swtpm, files), files };
}

function warnAboutEmulation({ fallback, slowness }: Acceleration, { span }: Context): void {
  if (fallback === undefined) return;
  span.warn('KIB_TCG', `the guest is emulated and about ${slowness} times slower: ${fallback.reason}`, fallback.hint);
}
