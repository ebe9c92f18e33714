import { type Arch, type MachineSpec, MiB } from '../../src/core/index.ts';
import { type Xml, xml, xmlDocument } from '../../src/io/xml.ts';
import type { LibvirtOptions } from './options.ts';

/** How the domain's CPU is run. */
export interface DomainCpu {
  readonly type: 'kvm' | 'qemu';
  /** `host-passthrough`, `host-model`, `maximum` or a model's name. */
  readonly model: string;
}

/** Everything a domain is made of. */
export interface DomainParts {
  readonly name: string;
  readonly title: string;
  readonly machine: MachineSpec;
  readonly options: LibvirtOptions;
  readonly cpu: DomainCpu;
  readonly volumes: MachineVolumes;
}

/** Volumes of one machine, in the pool of the options. */
export interface MachineVolumes {
  /** Name of the qcow2 overlay. */
  readonly disk: string;
  /** Name of the ISO image. */
  readonly seed: string;
  /** Path on the host: a serial port has no other way to name a file. */
  readonly consolePath: string;
}

const ARCHITECTURES = { amd64: 'x86_64', arm64: 'aarch64' } as const satisfies Record<Arch, string>;
const MACHINE_TYPES = { amd64: 'q35', arm64: 'virt' } as const satisfies Record<Arch, string>;
const CPU_MODES = ['host-passthrough', 'host-model', 'maximum'];

/** The domain as `virsh define` takes it (https://libvirt.org/formatdomain.html). Pure. */
export function domainXml(parts: DomainParts): string {
  const { machine, options, cpu } = parts;
  return xmlDocument(xml`
    <domain type="${cpu.type}">
      <name>${parts.name}</name>
      <title>${parts.title}</title>
      <memory unit="MiB">${Math.floor(machine.memoryBytes / MiB)}</memory>
      <vcpu>${machine.cpus}</vcpu>
      ${os(machine, options)}
      ${features(machine, options)}
      ${cpuElement(cpu)}
      <clock offset="utc"/>
      <on_poweroff>destroy</on_poweroff>
      <on_reboot>restart</on_reboot>
      <on_crash>destroy</on_crash>
      <devices>
        ${devices(parts)}
      </devices>
    </domain>
  `);
}

function os(machine: MachineSpec, options: LibvirtOptions): Xml {
  const arch = ARCHITECTURES[machine.arch];
  const type = xml`<type arch="${arch}" machine="${options.machineType ?? MACHINE_TYPES[machine.arch]}">hvm</type>`;
  if (machine.firmware === 'bios') {
    return xml`
      <os>
        ${type}
      </os>
    `;
  }
  // libvirt chooses by QEMU's firmware descriptors, and copies the variables.
  const isSecure = options.secureBoot ? 'yes' : 'no';
  return xml`
    <os firmware="efi">
      ${type}
      <firmware>
        <feature enabled="${isSecure}" name="secure-boot"/>
        <feature enabled="${isSecure}" name="enrolled-keys"/>
      </firmware>
    </os>
  `;
}

function features(machine: MachineSpec, options: LibvirtOptions): Xml {
  if (machine.arch === 'arm64') return xml`<features><acpi/><gic/></features>`;
  return options.secureBoot
    ? xml`<features><acpi/><apic/><smm state="on"/></features>`
    : xml`<features><acpi/><apic/></features>`;
}

function cpuElement({ model }: DomainCpu): Xml {
  if (CPU_MODES.includes(model)) return xml`<cpu mode="${model}"/>`;
  return xml`
    <cpu mode="custom" match="exact" check="none">
      <model fallback="forbid">${model}</model>
    </cpu>
  `;
}

function devices({ machine, options, volumes }: DomainParts): readonly Xml[] {
  return [
    disk(options, volumes),
    seed(options, volumes),
    ...(options.diskBus === 'scsi' || options.seedBus === 'scsi' ? [xml`<controller type="scsi" model="virtio-scsi"/>`] : []),
    network(options),
    serial(volumes),
    // Asked for the address where there is no lease to look at.
    xml`
      <channel type="unix">
        <target type="virtio" name="org.qemu.guest_agent.0"/>
      </channel>
    `,
    ...display(machine, options),
    xml`
      <rng model="virtio">
        <backend model="random">/dev/urandom</backend>
      </rng>
    `,
    ...(options.watchdog ? [xml`<watchdog model="i6300esb" action="reset"/>`] : []),
    ...(options.tpm ? [tpm(machine)] : []),
    xml`<memballoon model="none"/>`,
  ];
}

/** What the domain calls its disks. */
export function diskTargets({ diskBus, seedBus }: Pick<LibvirtOptions, 'diskBus' | 'seedBus'>) {
  return {
    disk: diskBus === 'virtio' ? 'vda' : 'sda',
    seed: seedBus === 'virtio' ? (diskBus === 'virtio' ? 'vdb' : 'vda') : 'sdz',
  };
}

function disk(options: LibvirtOptions, volumes: MachineVolumes): Xml {
  const { pool, cache, diskBus } = options;
  return xml`
    <disk type="volume" device="disk">
      <driver name="qemu" type="qcow2" cache="${cache}" discard="unmap"/>
      <source pool="${pool}" volume="${volumes.disk}"/>
      <target dev="${diskTargets(options).disk}" bus="${diskBus}"/>
      <boot order="1"/>
    </disk>
  `;
}

function seed(options: LibvirtOptions, volumes: MachineVolumes): Xml {
  const { pool, seedBus } = options;
  return xml`
    <disk type="volume" device="${seedBus === 'virtio' ? 'disk' : 'cdrom'}">
      <driver name="qemu" type="raw"/>
      <source pool="${pool}" volume="${volumes.seed}"/>
      <target dev="${diskTargets(options).seed}" bus="${seedBus}"/>
      <readonly/>
    </disk>
  `;
}

function network({ network, bridge, networkModel }: LibvirtOptions): Xml {
  const source = bridge === undefined ? xml`<source network="${network}"/>` : xml`<source bridge="${bridge}"/>`;
  return xml`
    <interface type="${bridge === undefined ? 'network' : 'bridge'}">
      ${source}
      <model type="${networkModel}"/>
      <rom enabled="no"/>
    </interface>
  `;
}

function serial({ consolePath }: MachineVolumes): Xml {
  return xml`
    <serial type="file">
      <source path="${consolePath}"/>
      <target port="0"/>
    </serial>
  `;
}

// There is always a screen, for screenshots.
function display({ arch }: MachineSpec, { display }: LibvirtOptions): readonly Xml[] {
  return [
    ...(display === 'none' ? [] : [xml`<graphics type="${display}" autoport="yes" listen="127.0.0.1"/>`]),
    arch === 'arm64' ? xml`<video><model type="ramfb"/></video>` : xml`<video><model type="vga"/></video>`,
  ];
}

function tpm({ arch }: MachineSpec): Xml {
  return xml`
    <tpm model="${arch === 'arm64' ? 'tpm-tis' : 'tpm-crb'}">
      <backend type="emulator" version="2.0"/>
    </tpm>
  `;
}
