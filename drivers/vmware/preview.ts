import type { MachineSpec, PreviewLine, SeedFiles } from '../../src/core/index.ts';
import { vmxText } from '../../src/io/vmx.ts';
import { type MachineFiles, SEED, vmxOf } from './config.ts';
import { DISK, vmdkOptions } from './disk.ts';
import type { VmwareOptions } from './options.ts';
import { vmrunArgs } from './vmrun.ts';

const SEED_FILES: SeedFiles = { 'user-data': '<user-data>', 'meta-data': 'instance-id: <instance-id>\n' };

/** What launch would run and write, with placeholders for what only launch knows. Pure. */
export function preview(machine: MachineSpec, options: VmwareOptions): readonly PreviewLine[] {
  const files: MachineFiles = {
    disk: DISK,
    console: '<logs>/console.log',
    seed: options.seed === 'cdrom' ? SEED : undefined,
  };
  const settings = vmxOf('<name>', machine, options, files, undefined);
  const shown =
    options.seed === 'guestinfo'
      ? new Map([
          ...settings,
          ...Object.keys(SEED_FILES).map(
            (name) => [`guestinfo.${name === 'user-data' ? 'userdata' : 'metadata'}`, `<${name}>`] as const,
          ),
        ])
      : settings;
  const product = options.product === 'auto' ? '<ws|fusion>' : options.product;
  const program = options.vmrun ?? 'vmrun';
  const create = Object.entries(vmdkOptions(options)).map(([key, value]) => `${key}=${value}`);
  return [
    {
      title: 'Write the disk',
      argv: ['qemu-img', 'convert', '-O', 'vmdk', '-o', create.join(','), '<base>', `<machine>/${DISK}`],
    },
    ...(files.seed === undefined
      ? []
      : [
          {
            title: 'Write the seed',
            argv: ['xorriso', '-as', 'mkisofs', '-o', '<machine>/seed.iso', '-V', 'cidata', '-J', '-r', '<seed>'],
          },
        ]),
    ...vmxText(shown)
      .trimEnd()
      .split('\n')
      .map((line) => ({ title: 'Write <machine>/<name>.vmx', argv: [line] })),
    {
      title: 'Start the machine',
      argv: [
        program,
        '-T',
        product,
        ...vmrunArgs({ product: 'ws' }, ['start', '<machine>/<name>.vmx', options.gui ? 'gui' : 'nogui']).slice(2),
      ],
    },
  ];
}
