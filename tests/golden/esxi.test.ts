import { describe, it } from 'vitest';
import { esxi } from '../../drivers/esxi/driver.ts';
import { GiB, type MachineSpec } from '../../src/core/index.ts';
import { expectGolden } from '../support/golden.ts';

const machine: MachineSpec = { arch: 'amd64', firmware: 'uefi', cpus: 4, memoryBytes: 4 * GiB, diskBytes: 20 * GiB, x86Level: 1 };

describe('an ESXi machine', () => {
  it.each([
    ['defaults', machine, { host: 'esxi.example.org' }],
    [
      'everything',
      { ...machine, firmware: 'bios' as const },
      {
        host: '192.0.2.7',
        port: 2222,
        username: 'builder',
        password: { env: 'ESXI_PASSWORD' },
        datastore: 'fast disks',
        remoteFolder: 'images/kib',
        keepBases: false,
        network: 'Build network',
        networkModel: 'e1000e',
        diskInterface: 'sata',
        seed: 'guestinfo',
        hardwareVersion: 21,
        guestOs: 'debian12-64',
        reach: 'jump',
        keepAs: 'node-v1.34',
        vmx: { 'svga.vramSize': '16777216' },
      },
    ],
  ] as const)('%s', (name, spec, options) => {
    const lines = esxi.preview(spec, esxi.options.parse(options));
    const text = lines.map(({ title, argv }) => `# ${title}\n${argv.join(' ').trimEnd()}\n`).join('\n');
    expectGolden(`fixtures/esxi/${name}.txt`, text);
  });
});
