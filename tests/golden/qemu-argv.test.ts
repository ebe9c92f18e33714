import { describe, expect, it } from 'vitest';
import { qemuArgv } from '../../drivers/qemu/args.ts';
import { qemu } from '../../drivers/qemu/driver.ts';
import { qemuOptionsSchema } from '../../drivers/qemu/options.ts';
import { PLACEHOLDERS } from '../../drivers/qemu/preview.ts';
import { GiB, type MachineSpec, type PreviewLine } from '../../src/core/index.ts';
import { expectGolden } from '../support/golden.ts';

const defaults = qemuOptionsSchema.parse({});
const machine: MachineSpec = { arch: 'amd64', firmware: 'bios', cpus: 2, memoryBytes: 2 * GiB, diskBytes: 20 * GiB, x86Level: 1 };

const CASES: Record<string, readonly [Partial<MachineSpec>, Parameters<typeof qemuOptionsSchema.parse>[0]]> = {
  'amd64-bios': [{}, {}],
  'amd64-uefi': [{ firmware: 'uefi' }, {}],
  'amd64-kvm': [
    { cpus: 8, memoryBytes: 16 * GiB },
    { accelerator: 'kvm', machineType: 'pc-q35-7.2' },
  ],
  'amd64-tcg-scsi-tpm': [
    { firmware: 'uefi' },
    { accelerator: 'tcg', diskInterface: 'scsi', tpm: true, display: 'vnc', vncPort: 5907 },
  ],
  'amd64-plain': [
    {},
    { watchdog: false, sandbox: false, discard: false, cache: 'writeback', networkModel: 'e1000e', diskInterface: 'sata' },
  ],
  'amd64-escape-hatch': [
    {},
    {
      cpuModel: 'Haswell-noTSX',
      cache: 'none',
      diskInterface: 'nvme',
      display: 'gtk',
      binary: '/opt/qemu/bin/qemu',
      args: ['-device', 'edu'],
    },
  ],
  'arm64-uefi': [{ arch: 'arm64', firmware: 'uefi' }, {}],
};

describe('the QEMU commands', () => {
  it.each(Object.entries(CASES))('%s', (name, [spec, options]) => {
    expectGolden(`fixtures/qemu/${name}.txt`, render(qemu.preview({ ...machine, ...spec }, qemuOptionsSchema.parse(options))));
  });

  it('for a machine that goes on from saved memory', () => {
    const argv = qemuArgv({
      name: 'kib-1',
      machine,
      options: defaults,
      host: { path: 'qemu-system-x86_64', machineType: 'pc-q35-7.2', canSandbox: true },
      acceleration: { accelerator: 'tcg', cpu: 'max' },
      uefi: undefined,
      files: PLACEHOLDERS,
      backing: { path: '<frozen disk>', format: 'qcow2' },
      isIncoming: true,
    });
    expectGolden('fixtures/qemu/amd64-incoming.txt', render([{ title: 'Start the machine', argv }]));
  });

  it('double commas in file names and nowhere else', () => {
    const argv = qemuArgv({
      name: 'kib,1',
      machine: { ...machine, firmware: 'uefi' },
      options: qemuOptionsSchema.parse({ tpm: true }),
      host: { path: '/q,emu', machineType: 'q35', canSandbox: false },
      acceleration: { accelerator: 'tcg', cpu: 'max' },
      uefi: { kind: 'flash', code: { path: '/c,ode', format: 'raw' }, vars: { path: '/v', format: 'qcow2' } },
      files: {
        disk: '/d,isk',
        seed: '/s,eed',
        vars: '/v,ars',
        pidfile: '/p,id',
        qmp: '/q,mp',
        tpm: '/t,pm',
        console: '/c,onsole',
        firmwareLog: '/f,irmware',
        credentials: ['/c,redential'],
      },
    });
    const named = argv.filter((word) => /\w,,\w/.test(word));
    expect(named).toHaveLength(10);
    expect(argv).toContain('type=11,path=/c,,redential');
    // What is a whole argument stays as it is.
    expect(argv).toContain('/p,id');
    expect(argv[0]).toBe('/q,emu');
    expect(argv).not.toContain('-sandbox');
    expect(argv).toContain('driver=qcow2,node-name=uefi-vars,file=uefi-vars-file');
  });
});

// One option and its value to a line, so that a review shows what changed.
function render(lines: readonly PreviewLine[]): string {
  return lines
    .map(({ title, argv: [program, ...words] }) => {
      const text = words.map((word) => (word.startsWith('-') ? `\n  ${word}` : ` ${word}`)).join('');
      return `# ${title}\n${program}${text}\n`;
    })
    .join('\n');
}
