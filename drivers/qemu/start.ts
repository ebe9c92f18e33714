import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Context, type DiskPlace, type MachineSpec, type SystemCredentials, throwIfAborted } from '../../src/core/index.ts';
import { FileConsole } from '../../src/io/console-file.ts';
import { type MachineParts, withMachineParts } from '../../src/io/machine-parts.ts';
import { makeOwnFolder } from '../../src/io/own-path.ts';
import { type CreateRequest, create, type DiskFile } from '../../src/io/qemu-img.ts';
import type { Acceleration } from './accel.ts';
import { type MachineFiles, qemuArgv } from './args.ts';
import { logCommands, overlayArgv } from './commands.ts';
import { writeCredentials } from './credentials.ts';
import type { HostFacts } from './facts.ts';
import { fingerprintOf } from './fingerprint.ts';
import { DISK, QemuFreezer } from './freeze.ts';
import type { VarsFile } from './frozen.ts';
import { QemuMachine } from './machine.ts';
import type { QemuOptions } from './options.ts';
import { claimMachineLogs, folderNames, type MachineLogs } from './parts.ts';
import { type QemuProcess, startQemu } from './process.ts';
import { type SwtpmFiles, startSwtpm, swtpmArgv } from './swtpm.ts';

/** Everything a machine is started from. */
export interface StartRequest {
  readonly machine: MachineSpec;
  readonly options: QemuOptions;
  readonly facts: HostFacts;
  /** What the disk stands on. */
  readonly backing: DiskFile;
  /** Default: a folder of the driver's own. */
  readonly disk: DiskPlace | undefined;
  /** Default: none. */
  readonly credentials?: SystemCredentials | undefined;
  /** Makes the seed and the UEFI variables, where `vars` names them. */
  readonly makeFiles: (files: MachineFiles, vars: VarsFile | undefined) => Promise<void>;
  /** Gives QEMU the state that the machine goes on from; default: it boots. `socket` is a path for it. */
  readonly load?: (qemu: QemuProcess, socket: string) => Promise<void>;
}

/** Starts a machine on a fresh overlay; leaves nothing when it throws. See Driver.launch for the contract. */
export async function startMachine(request: StartRequest, context: Context): Promise<QemuMachine> {
  return withMachineParts('QEMU machine', context, (parts) => start(request, parts, context));
}

async function start(request: StartRequest, parts: MachineParts, context: Context): Promise<QemuMachine> {
  const { machine, options, facts, disk } = request;
  const { qemu: host, acceleration, uefi } = facts;
  warnAboutEmulation(acceleration, context);
  const names = folderNames(context);
  const folder = await makeOwnFolder(names.disk, { scope: parts.kept, journal: context.journal });
  throwIfAborted(context.signal);
  const sockets = await makeOwnFolder(names.sockets, { scope: parts.running, journal: context.journal });
  throwIfAborted(context.signal);
  const logs = await claimMachineLogs(context.dirs.logs);
  const vars: VarsFile | undefined =
    uefi?.kind === 'flash' ? (uefi.vars.format === 'qcow2' ? 'vars.qcow2' : 'vars.fd') : undefined;
  const credentials = await writeCredentials(request.credentials ?? {}, folder);
  const files = { ...machineFiles(folder, disk?.folder ?? folder, sockets, logs, vars), credentials };
  const tpm = await tpmCommand(facts, folder, sockets, files);
  const argv = qemuArgv({
    name: `kib-${context.buildId}`,
    machine,
    options,
    host,
    acceleration,
    uefi,
    files,
    ...(disk === undefined ? {} : { backing: request.backing }),
    isIncoming: request.load !== undefined,
  });
  const overlay = overlayRequest(request, files.disk);
  await create(overlay, context.signal);
  await request.makeFiles(files, vars);
  await logCommands(
    [
      { title: 'Make the disk', argv: overlayArgv(overlay) },
      ...(tpm === undefined ? [] : [{ title: 'Start the TPM', argv: tpm.argv }]),
      { title: 'Start the machine', argv },
    ],
    context.dirs,
  );
  throwIfAborted(context.signal);
  const swtpm = tpm === undefined ? undefined : await startSwtpm(tpm.argv, tpm.files, logs.qemu, parts.running, context);
  const process = { argv, pidfile: files.pidfile, qmpSocket: files.qmp, log: logs.qemu };
  const qemu = await startQemu(process, parts.running, context);
  const socket = join(sockets, 'memory.sock');
  await request.load?.(qemu, socket);
  const firmwareLog = machine.arch === 'amd64' ? files.firmwareLog : undefined;
  // Nobody has tried yet whether QEMU can save what HVF runs.
  const fingerprint =
    acceleration.accelerator === 'hvf' ? undefined : await fingerprintOf(machine, options, facts, context.signal);
  const freezable = {
    qmp: qemu.qmp,
    files,
    socket,
    log: logs.qemu,
    vars,
    options,
    diskBytes: machine.diskBytes,
    fingerprint,
    context,
  };
  const freezer = disk === undefined ? undefined : new QemuFreezer(freezable, disk.folder);
  return new QemuMachine({
    qemu,
    swtpm,
    parts,
    slowness: acceleration.slowness,
    console: new FileConsole(files.console, firmwareLog, context.clock, () => !qemu.daemon.isRunning),
    disk: files.disk,
    freezer,
    secrets: [files.seed, files.vars, ...credentials, ...(tpm === undefined ? [] : [tpm.files.state])],
    context,
  });
}

/** Nobody looks at a backing file that is named from the disk's folder: the machine is told which one it is. */
function overlayRequest({ machine, disk, backing }: StartRequest, path: string): CreateRequest {
  const overlay = { path, format: 'qcow2', bytes: machine.diskBytes } as const;
  return disk === undefined
    ? { ...overlay, backing }
    : { ...overlay, backing: { path: disk.backing, format: backing.format }, isBackingLater: true };
}

function machineFiles(
  folder: string,
  diskFolder: string,
  sockets: string,
  logs: MachineLogs,
  vars: VarsFile | undefined,
): MachineFiles {
  return {
    disk: join(diskFolder, DISK),
    seed: join(folder, 'seed.iso'),
    vars: join(folder, vars ?? 'vars.fd'),
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
  { swtpm }: HostFacts,
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
