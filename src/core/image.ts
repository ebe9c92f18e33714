import { z } from 'zod';
import { formatSchema } from './format.ts';
import { provisionSchema } from './provision.ts';
import { parseSize } from './units.ts';

const KUBERNETES_VERSION = /^v1\.\d+\.\d+(-(alpha|beta|rc)\.\d+)?$/;

/** A size given as `20GiB` or as a number of bytes; becomes bytes. */
export const sizeSchema = z.union([z.string(), z.number().int().positive()]).transform((value, context) => {
  const bytes = typeof value === 'number' ? value : parseSize(value);
  if (bytes === undefined || bytes <= 0) {
    context.addIssue({ code: 'custom', message: `is not a size; want something like 20GiB, got ${JSON.stringify(value)}` });
    return z.NEVER;
  }
  return bytes;
});

/** Where kubelet, kubeadm and kubectl come from, and which release. Also the parameters of the kubernetes recipe. */
export const kubernetesSchema = z.strictObject({
  version: z
    .string()
    .regex(KUBERNETES_VERSION, 'must look like v1.36.1')
    .default('v1.36.4')
    .describe('Kubernetes release, with the leading v'),
  source: z
    .enum(['pkg', 'http', 'dir'])
    .default('pkg')
    .describe(
      'pkg: the pkgs.k8s.io package repository; http: binaries from a dl.k8s.io-shaped URL; dir: the same layout in a folder of this host',
    ),
  url: z
    .url({ protocol: /^https?$/ })
    .default('https://dl.k8s.io')
    .describe('For source http: what stands before /release/v1.x.y/bin/linux/…'),
  dir: z.string().optional().describe('For source dir: the folder that holds release/v1.x.y/bin/linux/…'),
  repository: z
    .url({ protocol: /^https?$/ })
    .default('https://pkgs.k8s.io')
    .describe('For source pkg: what stands before /core:/stable:/v1.x/…'),
  repositoryKey: z
    .string()
    .regex(/^-----BEGIN PGP PUBLIC KEY BLOCK-----/, 'must be an armoured OpenPGP public key')
    .optional()
    .describe('For source pkg: the OpenPGP key, as text, that signs the repository; default: the pinned key of pkgs.k8s.io'),
  packageVersion: z
    .string()
    .regex(/^[\w.+~:*-]+$/, 'must be a version as the package manager spells it')
    .optional()
    .describe('For source pkg: exact package version such as 1.36.4-1.1; default: the newest build of the release'),
  imageRepository: z
    .string()
    .regex(/^[\w.-]+(:\d+)?(\/[\w./-]+)?$/, 'must be a registry such as registry.k8s.io, without https://')
    .default('registry.k8s.io')
    .describe('Registry that holds the images of kubeadm and the pause image'),
  kubeletExtraArgs: z
    .array(z.string().regex(/^--[^\s"'\\]+$/, 'must be one argument such as --v=2'))
    .default([])
    .describe('Arguments of kubelet besides those of kubeadm (KUBELET_EXTRA_ARGS)'),
  kubeletConfig: z
    .record(z.string(), z.unknown())
    .default({})
    .describe('Fields of KubeletConfiguration for every node of the image, laid over those of kubeadm; from Kubernetes 1.28'),
  resourceSizing: z
    .boolean()
    .default(false)
    .describe('Whether each boot reserves memory and CPU for the system by the size of the machine; from Kubernetes 1.28'),
  completions: z.boolean().default(true).describe('Whether bash completes kubectl, kubeadm and crictl'),
  preflight: z.boolean().default(true).describe('Whether the verdict runs kubeadm init phase preflight on the booted image'),
});

/** Which base to start from: one that the catalog offers, or a file of this host, another URL with its digest, an image of the hypervisor. */
export const baseSchema = z.union([
  z.enum(['cloud-image', 'pinned', 'latest', 'bootstrap', 'ami']),
  z.strictObject({
    file: z.string().describe('Path of a disk image on this host'),
    format: z.enum(['qcow2', 'raw', 'vmdk']).default('qcow2').describe('Its format'),
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hex digits')
      .optional()
      .describe('Its digest, checked before use'),
  }),
  z.strictObject({
    url: z.url({ protocol: /^https?$/ }).describe('A disk image to download'),
    format: z.enum(['qcow2', 'raw', 'vmdk']).default('qcow2').describe('Its format'),
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hex digits')
      .describe('Its digest; required, since nothing else vouches for it'),
  }),
  z.strictObject({
    bootstrap: z.strictObject({
      mirror: z
        .url({ protocol: /^https?$/ })
        .optional()
        .describe('Package archive; default: the one this host uses'),
      packages: z.array(z.string()).default([]).describe('Packages to add to the base'),
    }),
  }),
  z.strictObject({
    ami: z
      .union([
        z.string().regex(/^ami-[0-9a-f]{8,17}$/, 'must be the id of an Amazon machine image'),
        z.strictObject({ ssmParameter: z.string().startsWith('/').describe('SSM parameter that holds its id') }),
        z.strictObject({
          owner: z.string().describe('Account id, or amazon'),
          name: z.string().describe('Name, with * and ?; the newest that fits is taken'),
        }),
      ])
      .describe('Amazon machine image: its id, an SSM parameter, or owner and name'),
  }),
  z.strictObject({
    template: z.string().min(1).describe('Virtual machine, template or content-library item that the hypervisor has'),
  }),
]);

/**
 * The wish, validated. One setting is one field here: --help, JSON Schema and the docs table derive from it. Recipe parameters and
 * driver options are checked against the schemas of the recipes and drivers at hand (src/config).
 */
export const imageSchema = z.strictObject({
  image: z.string().describe('Operating system, a catalog name or one of its aliases (kib-native list)'),
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9.-]*$/, 'must be lower-case letters, digits, dots and hyphens')
    .optional()
    .describe('Name of the image; default: the catalog name'),
  arch: z.enum(['amd64', 'arm64']).default('amd64').describe('CPU architecture of the image'),
  base: baseSchema
    .optional()
    .describe(
      'Where to start from: pinned is a dated cloud image of known digest, latest the newest one; default: the first that the catalog has for the driver',
    ),
  driver: z
    .union([z.string(), z.looseObject({ name: z.string() })])
    .default('qemu')
    .describe('Driver name, or its name with its options'),
  firmware: z.enum(['bios', 'uefi']).optional().describe('Firmware of the machine; default: the first the system supports'),
  cpus: z.number().int().min(1).max(256).default(2).describe('Virtual CPUs while building'),
  memory: sizeSchema.default(2 * 1024 ** 3).describe('Memory while building'),
  disk: sizeSchema.default(20 * 1024 ** 3).describe('Virtual size of the disk'),
  formats: z
    .array(formatSchema)
    .min(1)
    .default(['qcow2'])
    .describe('What to make; default: what the driver makes first, qcow2 on this host'),
  export: z.record(z.string(), z.unknown()).default({}).describe('Options per format, for instance export.qcow2.compression'),
  kubernetes: kubernetesSchema.prefault({}).describe('Kubernetes release and where it comes from'),
  recipes: z
    .record(z.string(), z.unknown())
    .default({})
    .describe('Parameters per recipe; naming an optional recipe adds it, and a path such as ./mine.ts one of your own'),
  without: z.array(z.string()).default([]).describe('Recipes to leave out'),
  provision: z.array(provisionSchema).default([]).describe('Your own steps: see docs/steps.md'),
});

export type ImageSpec = z.infer<typeof imageSchema>;
export type KubernetesSpec = z.infer<typeof kubernetesSchema>;
export type BaseChoice = z.infer<typeof baseSchema>;
