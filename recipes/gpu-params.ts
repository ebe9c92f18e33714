import { z } from 'zod';
import { hostFile } from '../src/core/index.ts';
import { sourceSchema } from './source.ts';

const httpUrl = z.url({ protocol: /^https?$/ });
const keySchema = hostFile({ text: true }).describe('Armoured OpenPGP key that signs it, as its owner publishes it');
const packagesSchema = z.array(z.string().min(1)).min(1);

export const repositorySchema = z.strictObject({
  url: httpUrl.describe('For apt what stands before the suite, for rpm the base URL'),
  suite: z.string().default('/').describe('For apt: suite, or / for a repository without suites'),
  components: z.array(z.string()).default([]).describe('For apt: components'),
  key: keySchema,
});

export const params = z.strictObject({
  nvidia: z
    .strictObject({
      installer: sourceSchema('NVIDIA-Linux-….run').optional(),
      repository: repositorySchema
        .optional()
        .describe('Instead of an installer: such as https://developer.download.nvidia.com/compute/cuda/repos/debian12/x86_64'),
      packages: packagesSchema
        .optional()
        .describe('With a repository, or from the distribution’s own: what to install, such as nvidia-driver-cuda'),
      toolkit: z
        .strictObject({
          url: httpUrl.default('https://nvidia.github.io/libnvidia-container').describe('What stands before /stable/…'),
          key: keySchema,
          version: z.string().optional().describe('Version of nvidia-container-toolkit; default: the newest'),
          defaultRuntime: z.boolean().default(false).describe('Whether every container gets the GPU runtime'),
        })
        .optional()
        .describe('NVIDIA’s container toolkit, and the runtime `nvidia` that uses it'),
      licenseToken: hostFile()
        .optional()
        .describe('Client configuration token of a vGPU licence; every copy of the image has it'),
      gridFeature: z.int().min(0).max(4).optional().describe('FeatureType of /etc/nvidia/gridd.conf'),
    })
    .optional()
    .describe('NVIDIA driver'),
  amd: z
    .strictObject({
      version: z
        .string()
        .regex(/^\d+(\.\d+)+$/, 'must look like 6.4.1')
        .optional()
        .describe('Release of amdgpu for Debian systems'),
      repository: repositorySchema
        .partial({ url: true })
        .describe('Where amdgpu-dkms is; url by default https://repo.radeon.com/amdgpu/<version>/ubuntu'),
    })
    .optional()
    .describe('AMD’s kernel driver, amdgpu-dkms'),
  headers: packagesSchema.optional().describe('Packages with the headers of the kernel that the image boots; default: by system'),
});

export type Params = z.output<typeof params>;
export type Nvidia = NonNullable<Params['nvidia']>;
