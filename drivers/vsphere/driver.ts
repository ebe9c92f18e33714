import { defineDriver } from '../../src/core/index.ts';
import { doctor } from './doctor.ts';
import { images } from './images.ts';
import { launch } from './launch.ts';
import { type VsphereOptions, vsphereOptionsSchema } from './options.ts';
import { reap } from './owned.ts';
import { preview } from './preview.ts';
import { validate } from './validate.ts';

/** Builds on a virtual machine of VMware vSphere, through the REST API of vCenter Server. */
export const vsphere = defineDriver<VsphereOptions>({
  name: 'vsphere',
  summary: 'a virtual machine of vSphere, through vCenter’s REST API',
  options: vsphereOptionsSchema,
  capabilities: {
    arch: ['amd64'],
    firmware: ['uefi', 'bios'],
    formats: ['ova', 'qcow2', 'raw', 'template'],
    bases: ['cloud-image', 'file', 'bootstrap', 'template'],
    console: false,
    screenshot: false,
  },
  doctor,
  validate,
  preview,
  launch,
  images,
  reap: (resource) => reap(resource),
});
