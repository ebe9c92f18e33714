import { execFile } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { digestOf, type FakeLibrary, type Item } from './library.ts';
import { invalid, notFound, Refusal, wrongState } from './refusal.ts';
import type { Runner } from './runner.ts';

const execute = promisify(execFile);

export interface Machine {
  readonly id: string;
  readonly name: string;
  readonly uuid: string;
  firmware: 'BIOS' | 'EFI';
  cpus: number;
  memoryMiB: number;
  capacity: number;
  mac: string;
  network: string | undefined;
  /** Mounted ISO items by device. */
  readonly cdroms: Map<string, { item: string; connected: boolean }>;
  /** Inventory template: REST does not list it. */
  isTemplate: boolean;
  isOn: boolean;
  readonly extra: Map<string, string>;
  readonly snapshots: { readonly id: string; readonly name: string }[];
  customization: unknown;
  properties: Readonly<Record<string, string>>;
}

/** The machines of the fake; each has a folder with a VMDK and, when it runs, a .vmx that the runner boots. */
export class FakeMachines {
  readonly all = new Map<string, Machine>();
  readonly #dir: string;
  readonly #library: FakeLibrary;
  readonly #runner: Runner;
  #count = 100;

  constructor(dir: string, library: FakeLibrary, runner: Runner) {
    this.#dir = dir;
    this.#library = library;
    this.#runner = runner;
  }

  machine(id: string): Machine {
    const machine = this.all.get(id);
    if (machine === undefined) throw notFound(`Virtual machine with identifier '${id}'`);
    return machine;
  }

  diskOf(id: string): string {
    return join(this.#dir, id, 'disk.vmdk');
  }

  vmxOf(id: string): string {
    return join(this.#dir, id, 'machine.vmx');
  }

  async create(name: string, of: Partial<Machine>, disk: (path: string) => Promise<void>): Promise<Machine> {
    if (name === '') throw invalid('The name is empty.');
    if ([...this.all.values()].some((machine) => machine.name === name))
      throw new Refusal(400, 'ALREADY_EXISTS', `The name '${name}' already exists.`);
    const id = `vm-${++this.#count}`;
    await mkdir(join(this.#dir, id), { recursive: true });
    await disk(this.diskOf(id));
    const machine: Machine = {
      firmware: 'BIOS',
      cpus: 1,
      memoryMiB: 1024,
      capacity: 0,
      network: undefined,
      ...of,
      id,
      name,
      uuid: randomUUID(),
      mac: `00:50:56:${[...randomBytes(3)].map((byte) => (byte & 0x3f).toString(16).padStart(2, '0')).join(':')}`,
      cdroms: new Map(),
      isTemplate: false,
      isOn: false,
      extra: new Map(),
      snapshots: [],
      customization: undefined,
      properties: of.properties ?? {},
    };
    machine.capacity = await capacityOf(this.diskOf(id));
    this.all.set(id, machine);
    return machine;
  }

  async clone(source: string, name: string): Promise<Machine> {
    const from = this.machine(source);
    return this.create(name, from, (path) => copyFile(this.diskOf(source), path));
  }

  /** As vCenter reads an OVF: hardware from the descriptor, the disk from the streamOptimized VMDK. */
  async deploy(
    item: Item,
    name: string,
    network: string | undefined,
    properties: Readonly<Record<string, string>>,
  ): Promise<Machine> {
    const folder = this.#library.folderOf(item.id);
    const ovf = await readOvf(join(folder, item.files.find((file) => file.endsWith('.ovf')) ?? ''));
    const disk = join(folder, ovf.disk);
    return this.create(name, { ...ovf, network, properties }, async (path) => {
      await qemuImg('convert', '-f', 'vmdk', '-O', 'vmdk', disk, path);
    });
  }

  /** What `POST /api/vcenter/ovf/library-item` makes: descriptor, manifest and a streamOptimized disk. */
  async capture(vm: string, library: string, name: string): Promise<Item> {
    const machine = this.machine(vm);
    if (machine.isOn) throw wrongState('The virtual machine must be powered off.');
    const item = await this.#library.add(library, name, 'ovf');
    const disk = `${name}-1.vmdk`;
    const folder = this.#library.folderOf(item.id);
    await qemuImg('convert', '-f', 'vmdk', '-O', 'vmdk', '-o', 'subformat=streamOptimized', this.diskOf(vm), join(folder, disk));
    await writeFile(join(folder, `${name}.ovf`), ovfText(machine, disk));
    const digests = await Promise.all(
      [`${name}.ovf`, disk].map(async (file) => `SHA256(${file})= ${await digestOf(join(folder, file))}\n`),
    );
    await writeFile(join(folder, `${name}.mf`), digests.join(''));
    item.files.push(`${name}.ovf`, `${name}.mf`, disk);
    return item;
  }

  async start(id: string): Promise<void> {
    const machine = this.machine(id);
    if (machine.isOn) throw new Refusal(400, 'ALREADY_IN_DESIRED_STATE', 'The virtual machine is already powered on.');
    const vmx = this.vmxOf(id);
    const cdroms = [...machine.cdroms.values()]
      .filter(({ connected }) => connected)
      .map(({ item }) => join(this.#library.folderOf(item), this.#library.item(item).files[0] ?? ''));
    await writeFile(vmx, vmxText(machine, this.diskOf(id), cdroms));
    await this.#runner.start(vmx);
    machine.isOn = true;
  }

  async stop(id: string): Promise<void> {
    const machine = this.machine(id);
    if (!(await this.isOn(id))) throw new Refusal(400, 'ALREADY_IN_DESIRED_STATE', 'The virtual machine is already powered off.');
    await this.#runner.stop(this.vmxOf(id));
    machine.isOn = false;
  }

  async shutDown(id: string): Promise<void> {
    if (!(await this.isOn(id))) throw wrongState('The virtual machine is not powered on.');
    if ((await this.addressOf(id)) === undefined) throw new Refusal(503, 'SERVICE_UNAVAILABLE', 'VMware Tools is not running.');
    await this.#runner.shutDown(this.vmxOf(id));
  }

  /** Asks the runner, as a guest may have powered itself off. */
  async isOn(id: string): Promise<boolean> {
    const machine = this.machine(id);
    if (machine.isOn) machine.isOn = await this.#runner.isRunning(this.vmxOf(id));
    return machine.isOn;
  }

  async addressOf(id: string): Promise<string | undefined> {
    return this.#runner.addressOf(this.machine(id).mac);
  }

  async grow(id: string, bytes: number): Promise<void> {
    const machine = this.machine(id);
    // qemu-img does not resize a VMDK.
    const raw = `${this.diskOf(id)}.raw`;
    await qemuImg('convert', '-f', 'vmdk', '-O', 'raw', this.diskOf(id), raw);
    await qemuImg('resize', '-f', 'raw', raw, String(bytes));
    await qemuImg('convert', '-f', 'raw', '-O', 'vmdk', raw, this.diskOf(id));
    await rm(raw);
    machine.capacity = bytes;
  }

  async remove(id: string): Promise<void> {
    if (await this.isOn(id)) throw wrongState('The virtual machine is powered on.');
    this.all.delete(id);
    await rm(join(this.#dir, id), { recursive: true, force: true });
  }

  /** For a fake that is torn down. */
  async stopAll(): Promise<void> {
    for (const { id } of this.all.values()) if (await this.isOn(id)) await this.stop(id);
  }
}

async function qemuImg(...args: readonly string[]): Promise<string> {
  return (await execute('qemu-img', args)).stdout;
}

async function capacityOf(path: string): Promise<number> {
  const { 'virtual-size': size } = JSON.parse(await qemuImg('info', '--output=json', path)) as { 'virtual-size': number };
  return size;
}

/** The parts of a descriptor that the fake looks at; it shares no code with the driver. */
async function readOvf(path: string) {
  const text = await readFile(path, 'utf8');
  const quantity = (type: number) => {
    const [item = ''] = [...text.matchAll(/<Item[\s\S]*?<\/Item>/g)]
      .map(([found]) => found)
      .filter((found) => found.includes(`ResourceType>${type}<`));
    return Number(/VirtualQuantity>(\d+)</.exec(item)?.[1] ?? 1);
  };
  return {
    disk: /ovf:href="([^"]+\.vmdk)"/.exec(text)?.[1] ?? '',
    firmware: text.includes('vmw:key="firmware" vmw:value="efi"') ? ('EFI' as const) : ('BIOS' as const),
    cpus: quantity(3),
    memoryMiB: quantity(4),
  };
}

export function networksOf(ovf: string): readonly string[] {
  return [...ovf.matchAll(/<Network ovf:name="([^"]+)"/g)].map(([, name = '']) => name);
}

/** What an OVF asks for, as a summary says it (com.vmware.vcenter.ovf.PropertyParams). */
export function propertiesOf(ovf: string): readonly object[] {
  const properties = [...ovf.matchAll(/<Property [^>]*ovf:key="([^"]+)"[^>]*ovf:userConfigurable="true"/g)];
  if (properties.length === 0) return [];
  return [{ type: 'PropertyParams', properties: properties.map(([, id]) => ({ id, type: 'string', value: '' })) }];
}

function ovfText({ name, firmware, cpus, memoryMiB, capacity }: Machine, disk: string): string {
  return `<?xml version="1.0"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1" xmlns:vmw="http://www.vmware.com/schema/ovf" xmlns:rasd="urn:rasd">
<References><File ovf:href="${disk}" ovf:id="file1"/></References>
<DiskSection><Disk ovf:capacity="${capacity}" ovf:diskId="vmdisk1" ovf:fileRef="file1"/></DiskSection>
<NetworkSection><Network ovf:name="nic0"/></NetworkSection>
<VirtualSystem ovf:id="${name}"><VirtualHardwareSection>
<Item><rasd:ResourceType>3</rasd:ResourceType><rasd:VirtualQuantity>${cpus}</rasd:VirtualQuantity></Item>
<Item><rasd:ResourceType>4</rasd:ResourceType><rasd:VirtualQuantity>${memoryMiB}</rasd:VirtualQuantity></Item>
<vmw:Config vmw:key="firmware" vmw:value="${firmware === 'EFI' ? 'efi' : 'bios'}"/>
</VirtualHardwareSection></VirtualSystem></Envelope>
`;
}

function vmxText({ name, firmware, cpus, memoryMiB, mac, extra }: Machine, disk: string, cdroms: readonly string[]): string {
  const settings: readonly (readonly [string, string])[] = [
    ['displayName', name],
    ['firmware', firmware === 'EFI' ? 'efi' : 'bios'],
    ['numvcpus', String(cpus)],
    ['memsize', String(memoryMiB)],
    ['scsi0.present', 'TRUE'],
    ['scsi0.virtualDev', 'pvscsi'],
    ['scsi0:0.present', 'TRUE'],
    ['scsi0:0.fileName', disk],
    ...cdroms.flatMap((file, index) => [
      [`ide${index}:0.present`, 'TRUE'] as const,
      [`ide${index}:0.deviceType`, 'cdrom-image'] as const,
      [`ide${index}:0.fileName`, file] as const,
    ]),
    ['ethernet0.present', 'TRUE'],
    ['ethernet0.virtualDev', 'vmxnet3'],
    ['ethernet0.connectionType', 'nat'],
    ['ethernet0.addressType', 'static'],
    ['ethernet0.address', mac],
    ['serial0.present', 'TRUE'],
    ['serial0.fileType', 'file'],
    ['serial0.fileName', join(disk, '..', 'console.log')],
    // The fake speaks for the tools that the guest does not have.
    ['kib.tools', 'yes'],
    ...[...extra].filter(([key]) => key.startsWith('guestinfo.')),
  ];
  return settings.map(([key, value]) => `${key} = "${value.replaceAll('"', '|22').replaceAll('\n', '|0A')}"\n`).join('');
}
