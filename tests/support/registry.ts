import { z } from 'zod';
import type { Registry } from '../../src/config/schema.ts';
import {
  type Arch,
  defineDriver,
  defineRecipe,
  type Exporter,
  type FileFormat,
  type OsDefinition,
} from '../../src/core/index.ts';

const notHere = (what: string) => () => Promise.reject(new Error(`${what} is not for these tests`));

function os(id: string, bases: OsDefinition['bases']): OsDefinition {
  return {
    id,
    title: `${id} for tests`,
    family: 'debian',
    distribution: 'debian',
    version: '13',
    packageManager: 'apt',
    aliases: [id.replace(/\d+$/, '-$&')],
    endOfLife: '2030-06-30',
    bases,
    firmware: ['uefi', 'bios'],
    defaultUser: 'debian',
    selinux: false,
    x86Level: 1,
    sshUnit: 'ssh.service',
    ovf: { id: 96, type: 'debian12_64Guest', description: id },
  };
}

const cloudImage = (id: string, arch: Arch) =>
  ({
    kind: 'cloud-image',
    url: `https://images.example/${id}-${arch}.qcow2`,
    format: 'qcow2',
    checksum: { kind: 'pinned', digest: { algorithm: 'sha256', hex: 'a'.repeat(64) } },
  }) as const;

const bootstrap = { kind: 'bootstrap', suite: 'trixie', packages: ['linux-image-amd64'] } as const;

const node = defineRecipe({
  name: 'node',
  summary: 'Kernel settings',
  params: z.strictObject({
    packages: z.array(z.string()).default([]).describe('More packages'),
    sysctls: z.record(z.string(), z.string()).default({}).describe('More kernel settings'),
    swap: z.boolean().default(false).describe('Keep swap'),
  }),
  steps: () => [],
});

const containerd = defineRecipe({
  name: 'containerd',
  summary: 'Container runtime',
  after: ['node'],
  params: z.strictObject({
    version: z.string().default('2.3.2').describe('Release'),
    pauseImage: z.string().default('registry.k8s.io/pause:3.10.2').describe('Sandbox image'),
  }),
  steps: () => [],
});

const kubernetes = defineRecipe({
  name: 'kubernetes',
  summary: 'kubelet, kubeadm, kubectl',
  after: ['containerd'],
  params: z.unknown(),
  validate: (context) =>
    context.recipes.includes('containerd')
      ? []
      : [{ path: '', message: 'needs a container runtime', hint: 'do not leave out containerd' }],
  steps: () => [],
});

const watchdog = defineRecipe({
  name: 'watchdog',
  summary: 'Resets a hung node',
  optional: true,
  params: z.strictObject({ seconds: z.number().int().positive().default(60).describe('How long it may hang') }),
  steps: () => [],
});

const seal = defineRecipe({
  name: 'seal',
  summary: 'Wipes what must not ship',
  after: ['node', 'containerd', 'kubernetes', 'watchdog'],
  params: z.strictObject({}),
  steps: () => [],
});

export const qemu = defineDriver({
  name: 'qemu',
  summary: 'QEMU on this host',
  options: z.strictObject({
    accelerator: z.enum(['auto', 'kvm', 'tcg']).default('auto').describe('How to run the guest'),
    display: z.enum(['none', 'vnc', 'gtk']).default('none').describe('Where to show the screen'),
    tpm: z.boolean().default(false).describe('A TPM 2.0'),
  }),
  capabilities: {
    arch: ['amd64', 'arm64'],
    firmware: ['bios', 'uefi'],
    formats: ['qcow2', 'raw', 'ova'],
    console: true,
    screenshot: true,
  },
  doctor: () => Promise.resolve([{ name: 'qemu', status: 'ok' as const, detail: 'fine' }]),
  preview: () => [{ title: 'boot', argv: ['qemu-system-x86_64'] }],
  launch: notHere('launching'),
  reap: notHere('reaping'),
});

/** A driver that can do little. */
export const toy = defineDriver({
  name: 'toy',
  summary: 'Can do little',
  options: z.strictObject({ speed: z.number().default(1).describe('How fast') }),
  capabilities: { arch: ['amd64'], firmware: ['bios'], formats: ['raw'], console: false, screenshot: false },
  doctor: () => Promise.resolve([]),
  preview: () => [],
  launch: notHere('launching'),
  reap: notHere('reaping'),
});

function exporter(format: FileFormat, options: z.ZodType): Exporter {
  return { format, summary: `Writes ${format}`, options, tools: ['qemu-img'], export: notHere('exporting') };
}

/** Small doubles of everything an image may name. */
export const testRegistry: Registry = {
  catalog: [
    os('debian13', { amd64: [cloudImage('debian13', 'amd64'), bootstrap], arm64: [cloudImage('debian13', 'arm64'), bootstrap] }),
    os('rocky10', { amd64: [cloudImage('rocky10', 'amd64')] }),
  ],
  recipes: [node, containerd, kubernetes, watchdog, seal],
  drivers: [qemu, toy],
  exporters: [
    exporter('qcow2', z.strictObject({ compression: z.enum(['zstd', 'zlib', 'none']).default('zstd').describe('Compression') })),
    exporter('raw', z.strictObject({})),
    exporter('ova', z.strictObject({ cpus: z.number().int().min(1).default(2).describe('CPUs') })),
  ],
};
