import { access, readdir, readFile, realpath } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { type Arch, KibError } from '../../src/core/index.ts';

/** UEFI firmware of a machine: a flash image and the template of its variables, or one file loaded into memory. */
export type UefiFirmware =
  | { readonly kind: 'flash'; readonly code: FirmwareFile; readonly vars: FirmwareFile }
  | { readonly kind: 'memory'; readonly path: string };

export interface FirmwareFile {
  readonly path: string;
  readonly format: 'raw' | 'qcow2';
}

const fileSchema = z.object({ filename: z.string(), format: z.enum(['raw', 'qcow2']) });

// The part of QEMU's docs/interop/firmware.json that matters here. Descriptors of other shapes are passed over.
const descriptorSchema = z.object({
  'interface-types': z.array(z.string()),
  mapping: z.union([
    z.object({
      device: z.literal('flash'),
      mode: z.literal('split').default('split'),
      executable: fileSchema,
      'nvram-template': fileSchema,
    }),
    z.object({ device: z.literal('memory'), filename: z.string() }),
  ]),
  targets: z.array(z.object({ architecture: z.string(), machines: z.array(z.string()) })),
  features: z.array(z.string()),
});

export type Descriptor = z.output<typeof descriptorSchema>;

// Secure Boot would refuse kernels and modules a user brings, and SMM is slow to emulate.
const UNWANTED = new Set(['secure-boot', 'enrolled-keys', 'requires-smm']);
const ARCHITECTURE: Record<Arch, string> = { amd64: 'x86_64', arm64: 'aarch64' };

/**
 * Folders of firmware descriptors, the weightiest first, as firmware.json lists them; then where QEMU itself was installed (Homebrew,
 * /opt). XDG_CONFIG_HOME is taken at its default.
 */
export async function descriptorDirs(binaryPath: string): Promise<readonly string[]> {
  const beside = join(dirname(dirname(await realpath(binaryPath))), 'share/qemu/firmware');
  return [...new Set([join(homedir(), '.config/qemu/firmware'), '/etc/qemu/firmware', '/usr/share/qemu/firmware', beside])];
}

/** Reads descriptors in order of preference: by file name, one in an earlier folder hiding its namesakes, an empty one too. */
export async function readDescriptors(dirs: readonly string[]): Promise<readonly Descriptor[]> {
  const paths = new Map<string, string>();
  for (const dir of dirs) {
    for (const name of await readdir(dir).catch(() => [])) {
      if (name.endsWith('.json') && !paths.has(name)) paths.set(name, join(dir, name));
    }
  }
  const descriptors: Descriptor[] = [];
  for (const [, path] of [...paths].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const parsed = descriptorSchema.safeParse(parseJson(await readFile(path, 'utf8').catch(() => '')));
    if (parsed.success) descriptors.push(parsed.data);
  }
  return descriptors;
}

/** Whether a descriptor is for UEFI without Secure Boot on that machine type (`pc-q35-7.2`, never an alias). */
function fits(descriptor: Descriptor, arch: Arch, machineType: string): boolean {
  return (
    descriptor['interface-types'].includes('uefi') &&
    !descriptor.features.some((feature) => UNWANTED.has(feature)) &&
    descriptor.targets.some(
      (target) => target.architecture === ARCHITECTURE[arch] && target.machines.some((pattern) => matches(pattern, machineType)),
    )
  );
}

/** The first fitting firmware whose files are there. Throws KIB_FIRMWARE_MISSING. */
export async function findUefi(descriptors: readonly Descriptor[], arch: Arch, machineType: string): Promise<UefiFirmware> {
  for (const descriptor of descriptors.filter((one) => fits(one, arch, machineType))) {
    const { mapping } = descriptor;
    if (mapping.device === 'memory') {
      if (await exists(mapping.filename)) return { kind: 'memory', path: mapping.filename };
      continue;
    }
    const [code, vars] = [toFile(mapping.executable), toFile(mapping['nvram-template'])];
    if ((await exists(code.path)) && (await exists(vars.path))) return { kind: 'flash', code, vars };
  }
  throw new KibError(
    'KIB_FIRMWARE_MISSING',
    `wanted UEFI firmware without Secure Boot for ${ARCHITECTURE[arch]} ${machineType}, found no QEMU firmware descriptor that fits`,
    { hint: `kib-native doctor --install (Debian package: ${FIRMWARE_PACKAGES[arch].apt[0]})` },
  );
}

/** Packages that hold UEFI firmware with its descriptors. */
export const FIRMWARE_PACKAGES = {
  amd64: { apt: ['ovmf'], dnf: ['edk2-ovmf'], brew: ['qemu'] },
  arm64: { apt: ['qemu-efi-aarch64'], dnf: ['edk2-aarch64'], brew: ['qemu'] },
} as const;

function toFile(file: z.output<typeof fileSchema>): FirmwareFile {
  return { path: file.filename, format: file.format };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

// glob(7) with nothing but `*`, all that descriptors use.
function matches(pattern: string, text: string): boolean {
  const parts = pattern.split('*').map((part) => part.replaceAll(/[.?+^$(){}|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`).test(text);
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
