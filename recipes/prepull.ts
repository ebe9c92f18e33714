import { z } from 'zod';
import {
  type Action,
  type Check,
  defineRecipe,
  hostFile,
  type KubernetesSpec,
  lines,
  type RecipeContext,
  sh,
} from '../src/core/index.ts';
import { imagesSchema, knownAs, readImageList } from './image-name.ts';
import {
  archiveSchema,
  importActions,
  listKubeadmImages,
  listNames,
  missing,
  pullAction,
  pullIssues,
  pullPackages,
  pullSettings,
  repositorySchema,
  STORE_TIMEOUT_MS,
} from './pull.ts';
import { releaseImageActions, releaseImages } from './release-images.ts';
import { type Runtime, runtimeOf } from './runtime.ts';

const params = z.strictObject({
  kubeadmImages: z.boolean().default(true).describe('Whether to pull what kubeadm init needs, when the image has Kubernetes'),
  releaseImages: z
    .boolean()
    .default(false)
    .describe(
      'Whether the images of API server, controller manager, scheduler and kube-proxy are taken from the files of the Kubernetes release (kubernetes.url or kubernetes.dir) rather than from a registry',
    ),
  imageRepository: repositorySchema
    .optional()
    .describe('Where kubeadm’s images are, as kubeadm init is told too; default: kubernetes.imageRepository'),
  images: imagesSchema.describe('Container images to pull; with a digest, exactly that one'),
  lists: z
    .array(hostFile({ text: true }))
    .default([])
    .describe('Files of this host that hold a JSON list of images, such as kubectl and jq make of a running cluster'),
  archives: z.array(archiveSchema).default([]).describe('OCI or docker-save archives to import, which takes no registry'),
  ...pullSettings,
});

type Params = z.output<typeof params>;

/** Container images that are there before the network is. */
export const prepull = defineRecipe({
  name: 'prepull',
  summary: 'container images in the node image',
  params,
  optional: true,
  after: ['containerd', 'crio', 'kubernetes'],
  validate: (context, { lists, releaseImages }) => [
    ...pullIssues(context, 'prepull'),
    ...(releaseImages && context.kubernetes === undefined
      ? [{ path: 'releaseImages', message: 'needs Kubernetes, which is left out' }]
      : []),
    ...lists.flatMap((list, index) => {
      const read = readImageList(list);
      return 'problem' in read ? [{ path: `lists.${index}`, message: read.problem }] : [];
    }),
  ],
  packages: (context) => pullPackages(context),
  steps: (context, params) => {
    const runtime = runtimeOf(context);
    return runtime === undefined ? [] : fill(context, params, runtime);
  },
  checks: (context, params) => {
    const runtime = runtimeOf(context);
    return runtime === undefined ? [] : imageChecks(context, params, runtime);
  },
});

function fill(context: RecipeContext, params: Params, runtime: Runtime): readonly Action[] {
  const names = pulled(params);
  const kubeadm = kubeadmList(context, params);
  const lists = [...(names.length === 0 ? [] : [listNames(names)]), ...(kubeadm === undefined ? [] : [kubeadm])];
  const what = [
    ...(names.length === 0 ? [] : [`${names.length} container images`]),
    ...(kubeadm === undefined ? [] : [`the images of Kubernetes ${context.kubernetes?.version}`]),
  ];
  return [
    ...params.archives.flatMap((archive, index) => importActions(archive, runtime, index, 'prepull')),
    ...ofRelease(context, params, ({ kubernetes, repository }) =>
      releaseImageActions({ arch: context.arch, kubernetes }, runtime, repository),
    ),
    ...(lists.length === 0 ? [] : [pullAction(`pull ${what.join(' and ')}`, lines(lists), runtime, params)]),
  ];
}

function imageChecks(context: RecipeContext, params: Params, runtime: Runtime): readonly Check[] {
  const images = [
    ...new Set([
      ...pulled(params),
      ...params.archives.flatMap((archive) => archive.images),
      ...ofRelease(context, params, ({ kubernetes, repository }) => releaseImages(kubernetes, repository)),
    ]),
  ];
  const kubeadm = kubeadmList(context, params);
  const common = { expect: { kind: 'equals', text: '' }, when: ['build', 'boot'], timeoutMs: STORE_TIMEOUT_MS } as const;
  return [
    ...(images.length === 0
      ? []
      : [
          {
            ...common,
            name: 'prepull/images',
            title: `${images.length} container images are there`,
            script: sh`${listNames(images.flatMap(knownAs))} | ${missing(runtime)}`,
          },
        ]),
    ...(kubeadm === undefined
      ? []
      : [
          {
            ...common,
            name: 'prepull/kubeadm',
            title: 'the images of kubeadm are there',
            script: sh`
              images=$(${kubeadm})
              printf '%s\n' "$images" | ${missing(runtime)}
            `,
          },
        ]),
  ];
}

/** What is pulled by name, each once; what an archive brings is not. */
function pulled({ images, lists, archives }: Params): readonly string[] {
  const listed = lists.flatMap((list) => {
    const read = readImageList(list);
    return 'names' in read ? read.names : [];
  });
  const brought = archives.flatMap((archive) => archive.images);
  return [...new Set([...images, ...listed])].filter((name) => !brought.includes(name));
}

function ofRelease<T>(
  { kubernetes }: RecipeContext,
  params: Params,
  make: (of: { kubernetes: KubernetesSpec; repository: string }) => readonly T[],
): readonly T[] {
  if (kubernetes === undefined || !params.releaseImages) return [];
  return make({ kubernetes, repository: params.imageRepository ?? kubernetes.imageRepository });
}

function kubeadmList({ kubernetes }: RecipeContext, { kubeadmImages, imageRepository }: Params) {
  return kubernetes === undefined || !kubeadmImages ? undefined : listKubeadmImages(kubernetes, imageRepository);
}
