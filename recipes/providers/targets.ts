import type { OsDefinition, RecipeContext } from '../../src/core/index.ts';

/** Where an image is to run. `raw` is a disk for machines of any kind, metal among them. */
export const TARGETS = ['qemu', 'kubevirt', 'raw', 'vmware', 'aws', 'gcp'] as const;

export type Target = (typeof TARGETS)[number];

const OF_DRIVER: Readonly<Record<string, Target>> = { vmware: 'vmware', esxi: 'vmware', vsphere: 'vmware', ec2: 'aws' };

const OF_FORMAT: Readonly<Partial<Record<RecipeContext['formats'][number], Target>>> = {
  raw: 'raw',
  ova: 'vmware',
  ami: 'aws',
  template: 'vmware',
};

/** What an image is for when nobody says: the hypervisor that builds it, and those that its formats are for. */
export function targetsOf({ driver, formats }: Pick<RecipeContext, 'driver' | 'formats'>): readonly Target[] {
  return [...new Set([OF_DRIVER[driver] ?? 'qemu', ...formats.flatMap((format) => OF_FORMAT[format] ?? [])])];
}

/** Which program makes the initial RAM disk. Ubuntu changed over with 25.10. */
export function usesDracut({ family, distribution, version }: OsDefinition): boolean {
  return family !== 'debian' || (distribution === 'ubuntu' && Number.parseFloat(version) >= 25.1);
}

/** Which program configures the network. */
export function networkOf({ family, distribution, version }: OsDefinition): 'netplan' | 'networkd' | 'NetworkManager' {
  if (distribution === 'ubuntu') return 'netplan';
  if (family === 'rhel' && !(distribution === 'amzn' && version !== '2')) return 'NetworkManager';
  return 'networkd';
}
