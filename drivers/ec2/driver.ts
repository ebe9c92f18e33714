import { reap } from '../../src/aws/owned.ts';
import { defineDriver } from '../../src/core/index.ts';
import { doctor } from './doctor.ts';
import { images } from './images.ts';
import { launch } from './launch.ts';
import { type Ec2Options, ec2OptionsSchema } from './options.ts';
import { preview } from './preview.ts';
import { validate } from './validate.ts';

/** Builds on an instance of Amazon EC2, and makes an AMI of it. */
export const ec2 = defineDriver<Ec2Options>({
  name: 'ec2',
  summary: 'an instance of Amazon EC2, made into an AMI',
  options: ec2OptionsSchema,
  capabilities: {
    arch: ['amd64', 'arm64'],
    firmware: ['uefi', 'bios'],
    formats: ['ami'],
    bases: ['ami'],
    console: true,
    screenshot: false,
  },
  doctor,
  validate,
  preview,
  launch: (request, options, context) => launch(request, options, context),
  images,
  reap: (resource) => reap(resource),
});
