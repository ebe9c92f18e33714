import { count, flag, imageName, isTrue, mebibytes, oneOf } from './convert.ts';
import { means, NOTHING, none, noneOf, OUTPUT_DIR, onDriver, type PackerNames, to } from './name.ts';

/** Hardware of the machine that builds, and names: packer/qemu, packer/raw and packer/ova. */
export const MACHINE_NAMES: PackerNames = {
  build_name: to('name', imageName),
  cpus: to('cpus', count),
  cpu: to('cpus', count),
  memory: to('memory', mebibytes),
  disk_size: to('disk', mebibytes),
  firmware: means('bios or uefi', ['firmware'], (value) => {
    if (/secure/i.test(value)) return { warn: 'is firmware uefi here, without Secure Boot' };
    return { set: { firmware: /ovmf|efi|edk2/i.test(value) ? 'uefi' : 'bios' } };
  }),
  format: to('formats', (value) => (value === 'qcow2' || value === 'raw' || value === 'ova' ? [value] : undefined)),
  disk_compression: means('compression of the qcow2 file', ['export.qcow2.compression'], (value, { other }) => {
    if ((other('format') ?? 'qcow2') !== 'qcow2') return NOTHING;
    const compression = oneOf({ true: 'zlib', false: 'none' })(value);
    return compression === undefined
      ? { wrong: `must be true or false, got ${JSON.stringify(value)}` }
      : { set: { 'export.qcow2.compression': compression } };
  }),
  output_directory: to(OUTPUT_DIR),
  output_dir: to(OUTPUT_DIR),
  accelerator: onDriver(
    'qemu',
    to('driver.accelerator', (value) => (value === 'none' ? 'tcg' : value)),
  ),
  cpu_model: onDriver('qemu', to('driver.cpuModel')),
  machine_type: onDriver('qemu', to('driver.machineType')),
  qemu_binary: onDriver('qemu', to('driver.binary')),
  headless: means('whether a window shows the machine', ['driver.display', 'driver.gui'], (value, { driver }) => {
    const headless = flag(value);
    if (headless === undefined) return { wrong: `must be true or false, got ${JSON.stringify(value)}` };
    if (driver === 'qemu') return { set: { 'driver.display': headless ? 'none' : 'gtk' } };
    if (driver === 'vmware') return { set: { 'driver.gui': !headless } };
    return headless ? NOTHING : { warn: `the ${driver} driver has no window` };
  }),
  disk_discard: onDriver('qemu', to('driver.discard', oneOf({ unmap: true, ignore: false }))),
  vnc_bind_address: none('VNC, when driver.display asks for it, listens on this host alone', ['127.0.0.1']),
  vnc_port_min: means('port of VNC', ['driver.vncPort'], (value, { driver }) => {
    const port = count(value);
    if (driver !== 'qemu' || port === undefined || port === 5900) return NOTHING;
    return { set: { 'driver.vncPort': port } };
  }),
  ...noneOf(['vnc_port_max', 'vnc_disable_password'], 'VNC, when driver.display asks for it, takes one port of this host', [
    '6000',
    'false',
  ]),
  disk_image: means('images start from cloud images', ['base'], (value) =>
    isTrue(value)
      ? NOTHING
      : { warn: 'installers are not run: an image starts from the distributor’s cloud image, or from base' },
  ),
  distro_arch: to('arch', oneOf({ amd64: 'amd64', arm64: 'arm64', x86_64: 'amd64', aarch64: 'arm64' })),
  artifact_name: none('the name of an image is the setting name'),
  vm_name: none('the name of an image is the setting name'),
  build_version: none('the name of an image is the setting name'),
  base_build_version: none('there is no base image of one’s own in between; layers are kept instead (kib-native cache)'),
  base_output_dir: none('there is no base image of one’s own in between; layers are kept instead (kib-native cache)'),
  custom_post_processor: none('run your own command after kib-native build', ['false']),
  custom_post_processor_command: none('run your own command after kib-native build'),
  ib_version: to('recipes.node.imageBuilderVersion'),
  ...noneOf(['build_timestamp', 'ib_commit'], 'the manifest names program, plan and inputs; files carry no time of building'),
  ...noneOf(
    [
      'distro_name',
      'distro_version',
      'distro_version_slug',
      'distribution',
      'distribution_release',
      'distribution_version',
      'guest_os_type',
      'os_display_name',
      'vsphere_guest_os_type',
      'release_version',
      'channel_name',
      'oem_id',
    ],
    'is part of the catalog entry that image names',
  ),
  ...noneOf(
    ['vmx_version', 'cpu_cores', 'cdrom_adapter_type', 'cdrom_type', 'disk_type_id', 'enable_disk_packing', 'skip_compaction'],
    'the machine of the build and the exported files have fixed hardware',
  ),
};
