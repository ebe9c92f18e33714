import { type Action, type KubernetesSpec, type RecipeContext, type Sh, sh } from '../src/core/index.ts';
import { releaseFolder } from './kubernetes-release.ts';
import type { Runtime } from './runtime.ts';

const NAMES = ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kube-proxy'] as const;
const IMPORT_TIMEOUT_MS = 1_800_000;

type Kubernetes = Pick<RecipeContext, 'arch'> & { readonly kubernetes: KubernetesSpec };

/** What kubeadm calls the images that a release holds as files. */
export function releaseImages({ version }: KubernetesSpec, repository: string): readonly string[] {
  return NAMES.map((name) => `${repository}/${name}:${version}`);
}

/** Puts the images into the store that lie beside the release's programs, each an archive of `docker save`. */
export function releaseImageActions({ arch, kubernetes }: Kubernetes, runtime: Runtime, repository: string): readonly Action[] {
  return NAMES.flatMap((name): readonly Action[] => {
    const url = `${releaseFolder(arch, kubernetes)}/${name}.tar`;
    const path = `/var/tmp/kib-prepull-${name}.tar`;
    const image = `${repository}/${name}:${kubernetes.version}`;
    return [
      { kind: 'download', download: { url, checksumUrl: `${url}.sha256`, why: `prepull: ${name}` }, path, mode: '0600' },
      {
        kind: 'exec',
        title: `import ${image}`,
        script: sh`
          ${importer[runtime.name](path, image)}
          rm -f ${path}
        `,
        timeoutMs: IMPORT_TIMEOUT_MS,
      },
    ];
  });
}

/** In the archives the images' names end in the architecture, which kubeadm's do not. */
const importer: Readonly<Record<Runtime['name'], (path: string, image: string) => Sh>> = {
  containerd: (path, image) => sh`
    brought=$(tar -xOf ${path} manifest.json | sed -n 's/.*"RepoTags":\["\([^"]*\)".*/\1/p')
    ctr --namespace k8s.io images import ${path} >/dev/null
    if [ "$brought" != ${image} ]; then
      ctr --namespace k8s.io images tag --force "$brought" ${image} >/dev/null
      ctr --namespace k8s.io images rm "$brought" >/dev/null
    fi
  `,
  crio: (path, image) => sh`skopeo copy --quiet ${`docker-archive:${path}`} ${`containers-storage:${image}`}`,
};
