import { describe, expect, it } from 'vitest';
import { libvirt } from '../../drivers/libvirt/driver.ts';
import { libvirtOptionsSchema } from '../../drivers/libvirt/options.ts';
import { GiB, type MachineSpec, type PreviewLine } from '../../src/core/index.ts';
import { expectGolden } from '../support/golden.ts';

const machine: MachineSpec = { arch: 'amd64', firmware: 'bios', cpus: 2, memoryBytes: 2 * GiB, diskBytes: 20 * GiB, x86Level: 1 };

const CASES: Record<string, readonly [Partial<MachineSpec>, Parameters<typeof libvirtOptionsSchema.parse>[0]]> = {
  'amd64-bios': [{}, {}],
  'amd64-uefi-ssh': [
    { firmware: 'uefi', x86Level: 3 },
    { uri: 'qemu+ssh://builder@hyper.example.org:2222/system', domainType: 'kvm' },
  ],
  'amd64-everything': [
    { firmware: 'uefi', cpus: 8, memoryBytes: 16 * GiB },
    {
      uri: 'qemu:///system?socket=/run/other/libvirt-sock',
      pool: 'images',
      bridge: 'br0',
      domainType: 'qemu',
      cpuModel: 'Haswell-noTSX',
      machineType: 'pc-q35-7.2',
      diskBus: 'scsi',
      seedBus: 'sata',
      networkModel: 'e1000e',
      cache: 'none',
      display: 'vnc',
      secureBoot: true,
      tpm: true,
      watchdog: false,
    },
  ],
  'arm64-uefi': [{ arch: 'arm64', firmware: 'uefi' }, {}],
};

describe('the libvirt commands', () => {
  it.each(Object.entries(CASES))('%s', (name, [spec, options]) => {
    const lines = libvirt.preview({ ...machine, ...spec }, libvirtOptionsSchema.parse(options));
    expectGolden(`fixtures/libvirt/${name}.txt`, render(lines));
  });

  it('escape what stands in the domain', () => {
    const lines = libvirt.preview(machine, { ...libvirtOptionsSchema.parse({}), network: `a"b<c&d'` });
    expect(JSON.stringify(lines)).toContain('a&quot;b&lt;c&amp;d&apos;');
  });
});

// A file that virsh reads stands as its text, on lines of its own.
function render(lines: readonly PreviewLine[]): string {
  return lines
    .map(({ title, argv }) => {
      const text = argv.map((word) => (word.includes('\n') ? `\n${word.trimEnd()}` : word)).join(' ');
      return `# ${title}\n${text}\n`;
    })
    .join('\n');
}
