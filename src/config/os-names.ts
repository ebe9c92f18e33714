import type { Arch, Firmware, Format, OsDefinition } from '../core/index.ts';
import { didYouMean } from './nearest.ts';

/** Settings that the name of an image-builder target stands for; everything the user sets himself goes before them. */
export interface TargetSettings {
  readonly image: string;
  readonly driver?: string;
  readonly formats?: readonly Format[];
  readonly firmware?: Firmware;
  readonly arch?: Arch;
  readonly recipes?: Readonly<Record<string, unknown>>;
}

type Provider = Pick<TargetSettings, 'driver' | 'formats' | 'recipes'>;

/**
 * Image-builder's providers that build what can be built here (images/capi/Makefile), longest first. What it builds on a hypervisor's own
 * installer, by clone or from a base makes no difference here: `node-ova-local-vmx-…` is an OVA like `node-ova-local-…`.
 */
const PROVIDERS: readonly (readonly [string, Provider])[] = [
  ['kubevirt-qemu', { driver: 'qemu', formats: ['qcow2'], recipes: { providers: { targets: ['qemu', 'kubevirt'] } } }],
  ['node-ova-local-vmx', { driver: 'qemu', formats: ['ova'] }],
  ['node-ova-local-base', { driver: 'qemu', formats: ['ova'] }],
  ['node-ova-local', { driver: 'qemu', formats: ['ova'] }],
  // Until 2021.
  ['node-ova-esx', { driver: 'esxi', formats: ['ova'] }],
  ['node-ova-vsphere-base', { driver: 'vsphere', formats: ['template'] }],
  ['node-ova-vsphere-clone', { driver: 'vsphere', formats: ['template'] }],
  ['node-ova-vsphere', { driver: 'vsphere', formats: ['ova'] }],
  ['qemu', { driver: 'qemu', formats: ['qcow2'] }],
  ['raw', { driver: 'qemu', formats: ['raw'] }],
  ['ami', { driver: 'ec2', formats: ['ami'] }],
];

/** What stands after the system in a target's name. `cloudimg` says where image-builder starts from; here every image starts there. */
const SUFFIXES: Readonly<Record<string, Pick<TargetSettings, 'firmware' | 'arch'>>> = {
  efi: { firmware: 'uefi' },
  arm64: { arch: 'arm64' },
  cloudimg: {},
};

/** The entry that a name or alias means, or undefined. */
export function osNamed(catalog: readonly OsDefinition[], name: string): OsDefinition | undefined {
  return catalog.find(({ id, aliases }) => id === name || aliases.includes(name));
}

/** Every name that is understood, for suggestions. */
export function osNames(catalog: readonly OsDefinition[]): readonly string[] {
  return catalog.flatMap(({ id, aliases }) => [id, ...aliases]);
}

/** What a name on the command line stands for: a catalog name, an alias, or a target of image-builder, `build-qemu-ubuntu-2404-efi`. */
export function targetNamed(catalog: readonly OsDefinition[], name: string): TargetSettings | undefined {
  const os = osNamed(catalog, name);
  if (os !== undefined) return { image: os.id };
  const [provider, system] = splitTarget(name);
  if (provider === undefined) return undefined;
  let rest = system;
  let given: Pick<TargetSettings, 'firmware' | 'arch'> = {};
  for (;;) {
    const found = osNamed(catalog, rest);
    if (found !== undefined) return { image: found.id, ...provider, ...given };
    const suffix = /-([a-z0-9]+)$/.exec(rest)?.[1] ?? '';
    if (!Object.hasOwn(SUFFIXES, suffix)) return undefined;
    given = { ...given, ...SUFFIXES[suffix] };
    rest = rest.slice(0, -suffix.length - 1);
  }
}

/** What to type in place of a name that means nothing, or undefined. */
export function osNameHint(catalog: readonly OsDefinition[], name: string): string | undefined {
  const [provider, system] = splitTarget(name);
  if (provider === undefined && isTarget(name))
    return 'of image-builder’s targets those for qemu, kubevirt, raw, OVA and AMI are known; other clouds take a qcow2 or raw image';
  return didYouMean(system, osNames(catalog));
}

function isTarget(name: string): boolean {
  return /^(build|validate)-/.test(name);
}

function splitTarget(name: string): readonly [Provider | undefined, string] {
  const target = name.replace(/^(build|validate)-/, '');
  const [prefix, provider] = PROVIDERS.find(([known]) => target.startsWith(`${known}-`)) ?? [];
  return prefix === undefined ? [undefined, name] : [provider, target.slice(prefix.length + 1)];
}
