import { seedIsoArgs } from '../../cloudinit/iso.ts';
import type { MachineSpec, PreviewLine } from '../../src/core/index.ts';
import { vmxText } from '../../src/io/vmx.ts';
import { UPLOAD_OPTIONS } from './disk.ts';
import type { EsxiOptions } from './options.ts';
import { rootFolder } from './place.ts';
import { DISK, SEED, vmxOf } from './vmx.ts';

/** The commands that launch runs, in order; what only launch knows stands in braces, and files stand as their text. */
export function preview(machine: MachineSpec, options: EsxiOptions): readonly PreviewLine[] {
  const name = 'kib-{build}-{id}';
  const folder = `${rootFolder(options)}/${name}`;
  const on = `${options.username}@${options.host}`;
  const there = (title: string, ...argv: readonly string[]): PreviewLine => ({ title, argv: ['ssh', on, ...argv] });
  const base = options.keepBases ? `${rootFolder(options)}/bases/{sha256}.vmdk` : `${folder}/${DISK}`;
  const create = Object.entries(UPLOAD_OPTIONS).map(([key, value]) => `${key}=${value}`);
  const text = vmxText(withSeedPlaces(vmxOf(name, machine, options, { 'user-data': '', 'meta-data': '' })));
  return [
    {
      title: unlessKept(options, 'Convert the base'),
      argv: ['qemu-img', 'convert', '-O', 'vmdk', '-o', create.join(','), '{base}', '{upload.vmdk}'],
    },
    there(unlessKept(options, 'Upload it'), 'cat', `>${folder}/upload.vmdk`),
    there(unlessKept(options, 'Make a VMFS disk of it'), 'vmkfstools', '-i', `${folder}/upload.vmdk`, '-d', 'thin', base),
    ...(options.keepBases ? [there('Copy it', 'vmkfstools', '-i', base, '-d', 'thin', `${folder}/${DISK}`)] : []),
    there('Grow the disk, if the base is smaller', 'vmkfstools', '-X', `${machine.diskBytes / 1024}k`, `${folder}/${DISK}`),
    ...(options.seed === 'cdrom'
      ? [
          { title: 'Make the seed', argv: ['xorriso', ...seedIsoArgs('{seed files}', '{seed.iso}')] },
          there('Upload the seed', 'cat', `>${folder}/${SEED}`),
        ]
      : []),
    { title: `Write ${folder}/${name}.vmx`, argv: [text] },
    there('Register the machine', 'vim-cmd', 'solo/registervm', `${folder}/${name}.vmx`),
    there('Power it on', 'vim-cmd', 'vmsvc/power.on', '{vmid}'),
  ];
}

function unlessKept({ keepBases }: EsxiOptions, title: string): string {
  return keepBases ? `${title}, unless the datastore has it` : title;
}

function withSeedPlaces(settings: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  return new Map(
    [...settings].map(([key, value]) => [
      key,
      key.startsWith('guestinfo.') && !key.endsWith('.encoding') ? `{${key.slice(10)}}` : value,
    ]),
  );
}
