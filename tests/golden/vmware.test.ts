import { describe, it } from 'vitest';
import { vmware } from '../../drivers/vmware/driver.ts';
import { GiB, type MachineSpec } from '../../src/core/index.ts';
import { expectGolden } from '../support/golden.ts';

const machine: MachineSpec = { arch: 'amd64', firmware: 'uefi', cpus: 4, memoryBytes: 4 * GiB, diskBytes: 20 * GiB, x86Level: 1 };

describe('a VMware machine', () => {
  it.each([
    ['defaults', machine, {}],
    [
      'bios',
      { ...machine, firmware: 'bios' as const },
      { diskInterface: 'sata', networkModel: 'e1000e', network: 'custom', vmnet: 'vmnet3', gui: true },
    ],
    [
      'guestinfo',
      machine,
      { seed: 'guestinfo', diskInterface: 'nvme', product: 'fusion', hardwareVersion: 21, vmx: { 'svga.vramSize': '16777216' } },
    ],
  ] as const)('%s', (name, spec, options) => {
    const lines = vmware.preview(spec, vmware.options.parse(options));
    const text = lines
      .map(({ title, argv }, index) => `${lines[index - 1]?.title === title ? '' : `\n# ${title}\n`}${argv.join(' ')}\n`)
      .join('');
    expectGolden(`fixtures/vmware/${name}.txt`, text.trimStart());
  });
});
