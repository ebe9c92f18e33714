import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeSeedIso } from '../../cloudinit/iso.ts';
import { type Context, KibError, type LaunchRequest, localBase, throwIfAborted } from '../../src/core/index.ts';
import { claimLogs, FileConsole } from '../../src/io/console-file.ts';
import { type MachineParts, withMachineParts } from '../../src/io/machine-parts.ts';
import { makeOwnFolder } from '../../src/io/own-path.ts';
import { requirePrograms } from '../../src/io/programs.ts';
import { absoluteLogin } from '../../src/transport/host-credentials.ts';
import { inspectChain, uploadChain } from './chain.ts';
import { type ChosenCpu, chooseCpu } from './cpu.ts';
import { DISK, diskAt } from './disk.ts';
import { removeDomain } from './domain.ts';
import { domainXml, type MachineVolumes } from './domain-xml.ts';
import { LibvirtFreezer } from './freeze.ts';
import { LibvirtMachine } from './machine.ts';
import { requireNetwork } from './network.ts';
import { connectionOptionsSchema, type LibvirtOptions } from './options.ts';
import { machineName } from './parts.ts';
import { findPool, makeVolume, volumePath } from './pool.ts';
import { type Registrar, registered } from './resources.ts';
import { libvirtUri } from './uri.ts';
import { connectVirsh, type Virsh } from './virsh.ts';
import { watchDomain } from './watch.ts';

/** Boots a machine on a fresh overlay of the base. See Driver.launch for the contract; errors are KIB_… of this driver. */
export async function launch(request: LaunchRequest, options: LibvirtOptions, context: Context): Promise<LibvirtMachine> {
  throwIfAborted(context.signal);
  if (request.machine.arch === 'arm64' && request.machine.firmware === 'bios') {
    throw new KibError('KIB_DRIVER_CANNOT', 'there is no BIOS for arm64', { hint: 'firmware: uefi' });
  }
  await requirePrograms(hostPrograms(options));
  return withMachineParts('libvirt machine', context, (parts) => start(request, options, parts, context));
}

/** Programs that this host needs; the others are libvirt's host's. */
export function hostPrograms({ uri }: Pick<LibvirtOptions, 'uri'>): readonly string[] {
  return ['qemu-img', 'xorriso', ...(libvirtUri(uri).ssh === undefined ? ['virsh'] : [])];
}

/** What the journal keeps of a machine's resources. */
export function registrarOf(options: LibvirtOptions, folder: string): Registrar {
  const connection = connectionOptionsSchema.parse({
    uri: options.uri,
    keyFile: options.keyFile,
    agent: options.agent,
    knownHosts: options.knownHosts,
    hostKey: options.hostKey,
  });
  return { connection: absoluteLogin(connection), pool: options.pool, folder };
}

async function start(
  request: LaunchRequest,
  options: LibvirtOptions,
  parts: MachineParts,
  context: Context,
): Promise<LibvirtMachine> {
  const { machine } = request;
  const { signal, clock, dirs } = context;
  const { running, kept } = parts;
  const local = localBase(request);
  const chain = await inspectChain(request, signal);
  const { file } = chain.base;
  const { pool } = options;
  const virsh = kept.use('connection', await connectVirsh(options, clock, signal));
  await findPool(virsh, options, signal);
  await requireNetwork(virsh, options, signal);
  throwIfAborted(signal);
  const name = machineName(context);
  const folder = await makeOwnFolder(join(context.dirs.work, name), { scope: kept, journal: context.journal });
  const registrar = registrarOf(options, folder);
  throwIfAborted(signal);
  const cpu = await chooseCpu({ virsh, machine, options, registrar }, context);
  warnAboutEmulation(cpu, virsh, context);
  const isKept = options.keepBases && local.isThrowaway !== true;
  const backingPath = await uploadChain({ ...chain, virsh, registrar, name, isKept, scope: kept }, context);
  const volume = { name: `${name}.qcow2`, bytes: machine.diskBytes, format: 'qcow2', backingPath } as const;
  await makeVolume(virsh, volume, registrar, kept, context);
  const seed = await makeSeed(request, name, virsh, registrar, parts, context);
  const console = { name: `${name}-serial.log`, bytes: 0, format: 'raw' } as const;
  await makeVolume(virsh, console, registrar, running, context);
  const consolePath = await volumePath(virsh, pool, console.name, signal);
  const volumes: MachineVolumes = { disk: volume.name, seed, consolePath };
  const logs = await claimLogs(dirs.logs);
  const definition = domainXml({ name, title: `kib-native ${request.name}`, machine, options, cpu, volumes });
  await startDomain(virsh, name, definition, logs('domain').replace(/\.log$/, '.xml'), registrar, parts, context);
  const watch = running.use(
    'watch',
    watchDomain({ virsh, name, pool, console: console.name, consolePath: logs('console'), clock }),
  );
  throwIfAborted(signal);
  const disk =
    request.disk === undefined
      ? { volume: volume.name, path: join(folder, DISK), backing: file }
      : diskAt(request.disk, volume.name, file.format);
  const freezable = { virsh, name, options, registrar, diskBytes: machine.diskBytes, scope: kept, context };
  return new LibvirtMachine({
    virsh,
    name,
    options,
    parts,
    watch,
    slowness: cpu.slowness,
    console: new FileConsole(logs('console'), undefined, clock, () => watch.hasEnded),
    disk,
    freezer: request.disk === undefined ? undefined : new LibvirtFreezer(freezable, disk),
    context,
  });
}

async function makeSeed(
  { seed }: LaunchRequest,
  machine: string,
  virsh: Virsh,
  registrar: Registrar,
  { running }: MachineParts,
  context: Context,
): Promise<string> {
  const iso = join(registrar.folder, 'seed.iso');
  await writeSeedIso(seed, iso, context.signal);
  const name = `${machine}-seed.iso`;
  await makeVolume(virsh, { name, bytes: 0, format: 'raw' }, registrar, running, context);
  await virsh.send(['vol-upload', '--pool', registrar.pool, name], iso, context.signal);
  return name;
}

async function startDomain(
  virsh: Virsh,
  name: string,
  definition: string,
  path: string,
  registrar: Registrar,
  { running }: MachineParts,
  { journal, signal }: Context,
): Promise<void> {
  await writeFile(path, definition);
  await registered('libvirt:domain', name, registrar, running, journal, () => removeDomain(virsh, name));
  throwIfAborted(signal);
  // Never cut short: who knows how far it came.
  const steady = new AbortController().signal;
  await virsh.send(['define'], path, steady);
  throwIfAborted(signal);
  await virsh.run(['start', name], steady);
  throwIfAborted(signal);
}

function warnAboutEmulation({ fallback, slowness }: ChosenCpu, { place }: Virsh, { span }: Context): void {
  if (fallback === undefined) return;
  span.warn('KIB_TCG', `the guest is emulated on ${place} and about ${slowness} times slower: ${fallback}`);
}
