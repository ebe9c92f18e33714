import { guestinfoIssues } from '../../cloudinit/index.ts';
import { defineDriver, systemClock } from '../../src/core/index.ts';
import { doctor } from './doctor.ts';
import { launch } from './launch.ts';
import { type EsxiOptions, esxiOptionsSchema } from './options.ts';
import { preview } from './preview.ts';
import { reap } from './resources.ts';

/** Boots machines on a single ESXi host, through the ESXi Shell over SSH. Its layers would have to travel, so there are none. */
export const esxi = defineDriver<EsxiOptions>({
  name: 'esxi',
  summary: 'a single ESXi host, over SSH',
  options: esxiOptionsSchema,
  capabilities: {
    arch: ['amd64'],
    firmware: ['uefi', 'bios'],
    formats: ['ova', 'qcow2', 'raw'],
    console: true,
    screenshot: false,
  },
  doctor: (options, _machine, signal) => doctor(options, signal),
  validate: (machine, { seed }) => [
    ...(machine.diskBytes % 1024 === 0 ? [] : [{ path: '', message: 'the disk must be a whole number of KiB' }]),
    ...guestinfoIssues(machine, seed, 'cdrom'),
  ],
  preview,
  launch,
  reap: (resource) => reap(resource, systemClock),
});
