/** A Packer variable of kubernetes-sigs/image-builder (packer/config/*.json, packer/qemu/packer.json.tmpl) that has a meaning here. */
export interface PackerName {
  /** The setting it stands for; OUTPUT_DIR is no setting but the command line's --output-dir. */
  readonly setting: string;
  /** Rewrites its value into what the setting takes; undefined when that cannot be done. */
  readonly convert?: (value: string) => string | undefined;
}

export const OUTPUT_DIR = '--output-dir';

/** Packer counts memory and disks in MB that are really MiB, and writes them as bare numbers. */
const mebibytes = (value: string): string | undefined => (/^\d+$/.test(value) ? `${value}MiB` : undefined);

/** What stands before /core:/stable:/…, whatever the series. */
const repository = (value: string): string | undefined => /^(https?:\/\/[^{]+?)\/core:\/stable:\//.exec(value)?.[1];

/** Image-builder's http source ends in /release, ours stops before it. */
const beforeRelease = (value: string): string => value.replace(/\/release\/?$/, '');

const oneOf =
  (table: Readonly<Record<string, string>>) =>
  (value: string): string | undefined =>
    Object.hasOwn(table, value) ? table[value] : undefined;

/** Where names mean the same. Packer writes every value as text. */
export const PACKER_NAMES: Readonly<Record<string, PackerName>> = {
  kubernetes_semver: { setting: 'kubernetes.version' },
  kubernetes_source_type: { setting: 'kubernetes.source' },
  kubernetes_http_source: { setting: 'kubernetes.url', convert: beforeRelease },
  kubernetes_deb_repo: { setting: 'kubernetes.repository', convert: repository },
  kubernetes_rpm_repo: { setting: 'kubernetes.repository', convert: repository },
  kubernetes_cni_semver: { setting: 'recipes.cni.version', convert: (value) => value.replace(/^v/, '') },
  kubernetes_cni_source_type: { setting: 'recipes.cni.source', convert: oneOf({ pkg: 'auto', http: 'upstream' }) },
  containerd_version: { setting: 'recipes.containerd.version' },
  containerd_sha256: { setting: 'recipes.containerd.sha256' },
  runc_version: { setting: 'recipes.containerd.runc' },
  crictl_version: { setting: 'recipes.containerd.crictl' },
  pause_image: { setting: 'recipes.containerd.pauseImage' },
  build_name: { setting: 'name' },
  cpus: { setting: 'cpus' },
  memory: { setting: 'memory', convert: mebibytes },
  disk_size: { setting: 'disk', convert: mebibytes },
  firmware: { setting: 'firmware', convert: (value) => (/ovmf|efi|edk2/i.test(value) ? 'uefi' : undefined) },
  format: { setting: 'formats' },
  disk_compression: { setting: 'export.qcow2.compression', convert: oneOf({ true: 'zlib', false: 'none' }) },
  accelerator: { setting: 'driver.accelerator', convert: (value) => (value === 'none' ? 'tcg' : value) },
  cpu_model: { setting: 'driver.cpuModel' },
  machine_type: { setting: 'driver.machineType' },
  qemu_binary: { setting: 'driver.binary' },
  headless: { setting: 'driver.display', convert: oneOf({ true: 'none', false: 'gtk' }) },
  disk_discard: { setting: 'driver.discard', convert: oneOf({ unmap: 'true', ignore: 'false' }) },
  output_directory: { setting: OUTPUT_DIR },
};
