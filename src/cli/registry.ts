import type { Registry } from '../config/schema.ts';
import type { Driver } from '../core/index.ts';

/** Drivers by name, loaded when a command needs them. */
const DRIVERS: readonly (() => Promise<Driver>)[] = [
  async () => (await import('../../drivers/qemu/driver.ts')).qemu,
  async () => (await import('../../drivers/libvirt/driver.ts')).libvirt,
  async () => (await import('../../drivers/vmware/driver.ts')).vmware,
  async () => (await import('../../drivers/vsphere/driver.ts')).vsphere,
  async () => (await import('../../drivers/esxi/driver.ts')).esxi,
  async () => (await import('../../drivers/ec2/driver.ts')).ec2,
];

/** Everything this package can build, with and to. */
export async function loadRegistry(): Promise<Registry> {
  const [{ catalog }, { recipes }, { exporters }, ...drivers] = await Promise.all([
    import('../catalog/index.ts'),
    import('../../recipes/index.ts'),
    import('../export/index.ts'),
    ...DRIVERS.map((load) => load()),
  ]);
  return { catalog, recipes, exporters, drivers };
}

/** What `kib-native vsphere` runs. */
export const loadVsphere = () => import('../../drivers/vsphere/cloudinit.ts');

/** What `kib-native ec2` runs, and what it takes off a helper's disk. */
export const loadStrip = async () => {
  const [strip, preview, { ec2OptionsSchema }, { forgetMachine }] = await Promise.all([
    import('../../drivers/ec2/strip.ts'),
    import('../../drivers/ec2/strip-preview.ts'),
    import('../../drivers/ec2/options.ts'),
    import('../../recipes/seal.ts'),
  ]);
  return { ...strip, ...preview, ec2OptionsSchema, forget: forgetMachine };
};
