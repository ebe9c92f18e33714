import { HELPERS_FOLDER } from './crio-files.ts';

/** modprobe.d(5): not by its aliases, not as a dependency, not by name. */
export const NOUVEAU = `blacklist nouveau
options nouveau modeset=0
install nouveau /bin/false
`;

const RUNTIME = '/usr/bin/nvidia-container-runtime';

/** containerd-config.toml(5); the plugin that runs containers changed its name with version 3. */
export function nvidiaDropIn(version: 2 | 3, isDefault: boolean): string {
  const plugin = version === 2 ? '"io.containerd.grpc.v1.cri".containerd' : '"io.containerd.cri.v1.runtime".containerd';
  const chosen = isDefault ? `\n[plugins.${plugin}]\n  default_runtime_name = "nvidia"\n` : '';
  return `version = ${version}
${chosen}
[plugins.${plugin}.runtimes.nvidia]
  runtime_type = "io.containerd.runc.v2"

[plugins.${plugin}.runtimes.nvidia.options]
  BinaryName = "${RUNTIME}"
  SystemdCgroup = true
`;
}

/** crio.conf(5). It looks for the runtime that it wraps on CRI-O's search path. */
export function crioNvidia(isDefault: boolean): string {
  return `${isDefault ? '[crio.runtime]\ndefault_runtime = "nvidia"\n\n' : ''}[crio.runtime.runtimes.nvidia]
runtime_path = "${RUNTIME}"
runtime_type = "oci"
monitor_path = "${HELPERS_FOLDER}/conmon"
`;
}
