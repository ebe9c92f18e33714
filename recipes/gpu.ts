import type { z } from 'zod';
import {
  type Action,
  defineRecipe,
  type OsDefinition,
  type PackageRepository,
  type RecipeContext,
  sh,
} from '../src/core/index.ts';
import { gpuChecks } from './gpu-checks.ts';
import { crioNvidia, NOUVEAU, nvidiaDropIn } from './gpu-files.ts';
import { type Nvidia, type Params, params, type repositorySchema } from './gpu-params.ts';
import { initramfsWith, remakeInitramfs } from './providers/initramfs.ts';
import { runtimeOf } from './runtime.ts';
import { sourceDownload } from './source.ts';
import { moreModules } from './ubuntu-modules.ts';

const BUILD_TIMEOUT_MS = 3_600_000;
const INSTALLER = '/var/tmp/kib-nvidia.run';

/**
 * GPU drivers, built for the kernel of the image. Whether they drive a GPU only a machine with one can tell; the image is checked for a module
 * that fits its kernel. Carries over image-builder's role `gpu`.
 */
export const gpu = defineRecipe({
  name: 'gpu',
  summary: 'NVIDIA or AMD driver, NVIDIA container toolkit',
  params,
  optional: true,
  after: ['containerd', 'crio'],
  validate: (context, params) => issues(context, params),
  repositories: (context, params) => repositories(context, params),
  packages: ({ os, arch }, { nvidia, amd, headers }) => {
    const toolkit = nvidia?.toolkit;
    return [
      ...(headers ?? defaultHeaders(os, arch)).map((name) => ({ name })),
      ...(nvidia?.installer === undefined ? [] : BUILD_TOOLS[os.packageManager].map((name) => ({ name }))),
      ...(nvidia?.packages ?? []).map((name) => ({ name })),
      ...(toolkit === undefined
        ? []
        : [{ name: 'nvidia-container-toolkit', ...(toolkit.version === undefined ? {} : { version: toolkit.version }) }]),
      ...(amd === undefined ? [] : [{ name: 'amdgpu-dkms' }]),
    ];
  },
  steps: (context, { nvidia, amd }) => [
    ...(nvidia === undefined ? [] : nvidiaSteps(context, nvidia)),
    ...(amd !== undefined && context.os.distribution === 'ubuntu' ? [graphicsModules] : []),
  ],
  checks: (context, params) => gpuChecks(context, params),
});

/** dkms is not in the repositories of Enterprise Linux themselves; without it NVIDIA's installer builds for this kernel alone. */
const BUILD_TOOLS: Readonly<Record<OsDefinition['packageManager'], readonly string[]>> = {
  apt: ['build-essential', 'dkms'],
  dnf: ['gcc', 'make', 'elfutils-libelf-devel'],
  yum: ['gcc', 'make', 'elfutils-libelf-devel'],
  tdnf: ['gcc', 'make', 'binutils', 'glibc-devel'],
  zypper: ['gcc', 'make'],
};

function defaultHeaders({ family, distribution }: OsDefinition, arch: string): readonly string[] {
  // Debian's cloud images have the kernel of one, its bootstrapped ones that of the other.
  if (distribution === 'debian') return [`linux-headers-${arch}`, `linux-headers-cloud-${arch}`];
  if (family === 'debian') return ['linux-headers-generic'];
  return [family === 'photon' ? 'linux-devel' : 'kernel-devel'];
}

function issues({ os, recipes }: RecipeContext, { nvidia, amd }: Params) {
  const found: { path: string; message: string; hint?: string }[] = [];
  if (nvidia === undefined && amd === undefined) {
    found.push({ path: 'recipes.gpu', message: 'names no vendor', hint: 'add nvidia or amd' });
  }
  if (nvidia !== undefined && (nvidia.installer === undefined) === (nvidia.packages === undefined)) {
    found.push({ path: 'nvidia', message: 'wants either an installer or packages', hint: 'name exactly one of them' });
  }
  if (nvidia?.repository !== undefined && nvidia.packages === undefined) {
    found.push({ path: 'nvidia.repository', message: 'is not used without packages' });
  }
  if (nvidia?.toolkit !== undefined && runtimeOf({ recipes }) === undefined) {
    found.push({
      path: 'nvidia.toolkit',
      message: 'needs a container runtime, which is left out',
      hint: 'add containerd or crio',
    });
  }
  if (amd !== undefined && os.family === 'photon') found.push({ path: 'amd', message: `AMD has no driver for ${os.title}` });
  if (amd !== undefined && amd.repository.url === undefined && (os.family !== 'debian' || amd.version === undefined)) {
    found.push({
      path: 'amd.repository.url',
      message: 'is required',
      hint:
        os.family === 'debian'
          ? 'or set recipes.gpu.amd.version'
          : 'such as https://repo.radeon.com/amdgpu/6.4.1/el/9.6/main/x86_64',
    });
  }
  return found;
}

function repositories({ arch }: RecipeContext, { nvidia, amd }: Params): readonly PackageRepository[] {
  const found: PackageRepository[] = [];
  const add = (name: string, title: string, repository: z.output<typeof repositorySchema>) => {
    const { url, suite, components, key } = repository;
    found.push({ name, title, key: key.text ?? '', apt: { uri: url, suite, components }, rpm: { baseurl: url } });
  };
  if (nvidia?.repository !== undefined) add('nvidia', 'NVIDIA driver', nvidia.repository);
  if (nvidia?.toolkit !== undefined) {
    const { url, key } = nvidia.toolkit;
    const stable = `${url.replace(/\/$/, '')}/stable`;
    found.push({
      name: 'nvidia-container-toolkit',
      title: 'NVIDIA container toolkit',
      key: key.text ?? '',
      apt: { uri: `${stable}/deb/${arch}`, suite: '/', components: [] },
      rpm: { baseurl: `${stable}/rpm/${arch === 'amd64' ? 'x86_64' : 'aarch64'}` },
    });
  }
  if (amd !== undefined) {
    const url = amd.repository.url ?? `https://repo.radeon.com/amdgpu/${amd.version ?? ''}/ubuntu`;
    const components =
      amd.repository.components.length === 0 && amd.repository.url === undefined ? ['main'] : amd.repository.components;
    add('amdgpu', 'AMD GPU driver', { ...amd.repository, url, components });
  }
  return found;
}

function nvidiaSteps(context: RecipeContext, { installer, toolkit, licenseToken, gridFeature }: Nvidia): readonly Action[] {
  const { os } = context;
  return [
    { kind: 'file', path: '/etc/modprobe.d/kib-nouveau.conf', text: NOUVEAU },
    {
      kind: 'exec',
      title: 'have the initial RAM disk know that too, where it holds nouveau',
      // Takes minutes, and kernels for clouds have none.
      script: sh`
        if [ -z "$(${initramfsWith(os, 'nouveau')})" ]; then exit 0; fi
        ${remakeInitramfs(os)}
      `,
      timeoutMs: BUILD_TIMEOUT_MS,
    },
    ...(licenseToken === undefined
      ? []
      : [
          {
            kind: 'download',
            download: sourceDownload(licenseToken, 'gpu: licence token'),
            path: '/etc/nvidia/ClientConfigToken/client_configuration_token.tok',
            mode: '0744',
          } as const,
        ]),
    ...(gridFeature === undefined
      ? []
      : [{ kind: 'file', path: '/etc/nvidia/gridd.conf', text: `FeatureType=${gridFeature}\n` } as const]),
    ...(installer === undefined
      ? []
      : [
          { kind: 'download', download: sourceDownload(installer, 'gpu: NVIDIA driver'), path: INSTALLER, mode: '0700' } as const,
          installDriver,
        ]),
    ...(toolkit === undefined ? [] : runtimeSteps(context, toolkit.defaultRuntime)),
  ];
}

const installDriver: Action = {
  kind: 'exec',
  title: 'build and install NVIDIA’s driver',
  script: sh`
    kernel=$(uname -r)
    if [ ! -e "/lib/modules/$kernel/build/Makefile" ]; then
      echo "there are no headers of the running kernel $kernel; name their package in recipes.gpu.headers" >&2
      exit 1
    fi
    dkms=
    if command -v dkms >/dev/null; then dkms=--dkms; fi
    if ! ${INSTALLER} --silent $dkms --no-cc-version-check; then
      tail -n 40 /var/log/nvidia-installer.log >&2
      exit 1
    fi
    rm -f ${INSTALLER}
  `,
  timeoutMs: BUILD_TIMEOUT_MS,
};

/** AMD's driver is built on the kernel's own graphics modules, which lie where its own amdgpu does. */
const graphicsModules = moreModules('graphics modules', sh`[ -d "/lib/modules/$(uname -r)/kernel/drivers/gpu/drm/amd" ]`);

/** What `nvidia-ctk runtime configure` would write, apart from the main configuration. */
function runtimeSteps(context: RecipeContext, isDefault: boolean): readonly Action[] {
  const runtime = runtimeOf(context);
  if (runtime === undefined) return [];
  if (runtime.name === 'crio') {
    return [
      { kind: 'file', path: '/etc/crio/crio.conf.d/99-nvidia.conf', text: crioNvidia(isDefault) },
      { kind: 'service', unit: runtime.unit, enabled: true, state: 'restarted' },
    ];
  }
  return [
    {
      kind: 'exec',
      title: 'add the runtime nvidia to containerd',
      // An imported file must be of the version of the main one.
      script: sh`
        case $(sed -n 's/^version *= *//p' /etc/containerd/config.toml) in
          2) printf %s ${nvidiaDropIn(2, isDefault)} ;;
          *) printf %s ${nvidiaDropIn(3, isDefault)} ;;
        esac >/etc/containerd/conf.d/99-nvidia.toml
        chmod 0644 /etc/containerd/conf.d/99-nvidia.toml
      `,
      timeoutMs: 60_000,
    },
    { kind: 'service', unit: runtime.unit, enabled: true, state: 'restarted' },
  ];
}
