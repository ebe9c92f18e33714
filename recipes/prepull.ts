import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import { type Action, type Check, defineRecipe, type KubernetesSpec, type RecipeContext, sh } from '../src/core/index.ts';

const PULL_TIMEOUT_MS = 1_800_000;
const ATTEMPTS = 3;

const params = z.strictObject({
  kubeadmImages: z.boolean().default(true).describe('Whether to pull what kubeadm init needs, when the image has Kubernetes'),
  images: z
    .array(z.string().regex(/^[^/\s]+\.[^/\s]+\/\S+[:@]\S+$/, 'must be a full name such as docker.io/library/busybox:1.37'))
    .default([])
    .describe('Container images to pull, by full name'),
  archives: z
    .array(z.string().startsWith('/'))
    .default([])
    .describe('OCI or docker-save archives of this host to import, by absolute path'),
});

type Params = z.output<typeof params>;

/** Container images that are there before the network is. */
export const prepull = defineRecipe({
  name: 'prepull',
  summary: 'container images in the node image',
  params,
  optional: true,
  after: ['containerd', 'kubernetes'],
  validate: ({ recipes }) =>
    recipes.includes('containerd')
      ? []
      : [{ path: 'recipes.prepull', message: 'needs containerd, which is left out', hint: 'remove it from without' }],
  steps: ({ kubernetes }, params) => [
    ...params.archives.flatMap(importArchive),
    ...params.images.map(pull),
    ...(kubernetes !== undefined && params.kubeadmImages ? [pullForKubeadm(kubernetes)] : []),
  ],
  checks: (context, params) => imageChecks(context, params),
});

function importArchive(path: string, index: number): readonly Action[] {
  const archive = `/var/tmp/kib-image-${index}.tar`;
  return [
    { kind: 'download', download: { url: pathToFileURL(path).href, why: 'prepull: image archive' }, path: archive, mode: '0600' },
    {
      kind: 'exec',
      title: `import ${path}`,
      script: sh`
        ctr --namespace k8s.io images import ${archive}
        rm -f ${archive}
      `,
      timeoutMs: PULL_TIMEOUT_MS,
    },
  ];
}

function pull(image: string): Action {
  return {
    kind: 'exec',
    title: `pull ${image}`,
    script: sh`ctr --namespace k8s.io images pull --hosts-dir /etc/containerd/certs.d ${image} >/dev/null`,
    timeoutMs: PULL_TIMEOUT_MS,
    attempts: ATTEMPTS,
  };
}

function pullForKubeadm({ version }: KubernetesSpec): Action {
  return {
    kind: 'exec',
    title: `pull the images of Kubernetes ${version}`,
    script: sh`kubeadm config images pull --kubernetes-version ${version} --cri-socket unix:///run/containerd/containerd.sock`,
    timeoutMs: PULL_TIMEOUT_MS,
    attempts: ATTEMPTS,
  };
}

function imageChecks({ kubernetes }: RecipeContext, { images, kubeadmImages }: Params): readonly Check[] {
  const common = { expect: { kind: 'equals', text: '' }, when: ['build', 'boot'] } as const;
  return [
    ...(images.length === 0
      ? []
      : [
          {
            ...common,
            name: 'prepull/images',
            title: `${images.length} container images are there`,
            script: sh`printf '%s\n' ${images} | sort | ${missing}`,
          },
        ]),
    ...(kubernetes === undefined || !kubeadmImages
      ? []
      : [
          {
            ...common,
            name: 'prepull/kubeadm',
            title: 'the images of kubeadm are there',
            script: sh`kubeadm config images list --kubernetes-version ${kubernetes.version} | sort | ${missing}`,
          },
        ]),
  ];
}

/** Prints those names of its input that containerd does not have. */
const missing = sh`{
  have=$(mktemp)
  ctr --namespace k8s.io images ls --quiet | sort >"$have"
  comm -23 - "$have"
  rm -f "$have"
}`;
