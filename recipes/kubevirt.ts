import { z } from 'zod';
import { type Action, type Check, defineRecipe, lines, type RecipeContext, sh } from '../src/core/index.ts';
import { firstBootScript } from './first-boot-files.ts';
import { imagesSchema, knownAs } from './image-name.ts';
import { CDI_CR, FILES, FOLDER, installScript, KUBEVIRT_CR, kubeadmConfig } from './kubevirt-files.ts';
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
import { type Runtime, runtimeOf } from './runtime.ts';
import { type Source, sourceDownload, sourceSchema } from './source.ts';

/** Of deployments and of what they start; kubevirt/kubevirt and kubevirt/containerized-data-importer, their release manifests. */
const KUBEVIRT_IMAGES = ['virt-operator', 'virt-api', 'virt-controller', 'virt-handler', 'virt-launcher'];
const CDI_IMAGES = ['operator', 'apiserver', 'controller', 'uploadproxy', 'importer', 'cloner', 'uploadserver'].map(
  (n) => `cdi-${n}`,
);

const cidrSchema = z.string().regex(/^[\d.]+\/\d{1,2}$|^[\da-f:]+\/\d{1,3}$/i, 'must be a network such as 10.244.0.0/16');
const tagSchema = z.string().regex(/^v\d+\.\d+\.\d+(-[\w.]+)?$/, 'must look like v1.6.0');

const operatorSchema = (what: string, operator: string, cr: string) => ({
  version: tagSchema.describe(`Release of ${what}, whose images are pulled into the image`),
  operator: sourceSchema(operator),
  cr: sourceSchema(cr).optional(),
});

const params = z.strictObject({
  kubevirt: z
    .strictObject(
      operatorSchema('KubeVirt', 'kubevirt-operator.yaml of the release', 'kubevirt-cr.yaml; default: one without settings'),
    )
    .describe('KubeVirt'),
  cdi: z
    .strictObject(operatorSchema('CDI', 'cdi-operator.yaml of the release', 'cdi-cr.yaml; default: one without settings'))
    .optional()
    .describe('Containerized Data Importer, which fills volumes with disk images; without it there is none'),
  cni: sourceSchema('Manifest of the pod network'),
  podSubnet: cidrSchema.default('10.244.0.0/16').describe('Network of pods, as the manifest of the pod network has it'),
  serviceSubnet: cidrSchema.default('10.96.0.0/12').describe('Network of services'),
  imageRepository: repositorySchema.optional().describe('Where kubeadm’s images are; default: kubernetes.imageRepository'),
  registry: repositorySchema.default('quay.io/kubevirt').describe('Where the operators’ manifests take images from'),
  images: imagesSchema.describe('Further images to have in the image, those of the pod network above all'),
  archives: z.array(archiveSchema).default([]).describe('Archives to import; an image that one of them brings is not pulled'),
  waitSeconds: z.int().positive().default(900).describe('How long the first boot waits for each part to be ready'),
  verify: z
    .boolean()
    .default(true)
    .describe(
      'Whether the verdict looks at KubeVirt after the first boot; it needs some 4 GiB of memory and hardware virtualisation',
    ),
  ...pullSettings,
});

type Params = z.output<typeof params>;

/**
 * A machine that makes a cluster of itself on first boot and runs virtual machines in it. It cannot be made before: kubeadm writes the host
 * name and addresses into certificates. Replaces KubeVirt's cloud-image-builder.
 */
export const kubevirt = defineRecipe({
  name: 'kubevirt',
  summary: 'single-node KubeVirt, set up on first boot without a network',
  params,
  optional: true,
  after: ['containerd', 'crio', 'kubernetes', 'first-boot'],
  validate: (context) => issues(context),
  packages: (context) => pullPackages(context),
  steps: (context, params) => {
    const runtime = runtimeOf(context);
    return runtime === undefined ? [] : steps(context, params, runtime);
  },
  checks: (context, params) => {
    const runtime = runtimeOf(context);
    return [...(runtime === undefined ? [] : [imageCheck(params, runtime)]), ...(params.verify ? [readyCheck] : [])];
  },
  properties: (_context, { kubevirt, cdi }) => ({
    KUBEVIRT_VERSION: kubevirt.version,
    ...(cdi === undefined ? {} : { CDI_VERSION: cdi.version }),
  }),
});

function issues(context: RecipeContext) {
  const path = 'recipes.kubevirt';
  const hasFirstBoot = context.recipes.includes('first-boot');
  return [
    ...(hasFirstBoot ? [] : [{ path, message: 'needs first-boot', hint: 'add first-boot: {} to recipes' }]),
    ...(context.kubernetes === undefined ? [{ path, message: 'needs Kubernetes, which is left out' }] : []),
    ...pullIssues(context, 'kubevirt'),
  ];
}

function steps({ kubernetes }: RecipeContext, params: Params, runtime: Runtime): readonly Action[] {
  const { podSubnet, serviceSubnet, waitSeconds, kubevirt, cdi, cni } = params;
  if (kubernetes === undefined) return [];
  const { version } = kubernetes;
  const imageRepository = params.imageRepository ?? kubernetes.imageRepository;
  const names = pulled(params);
  return [
    {
      kind: 'file',
      path: `${FOLDER}/${FILES.kubeadm}`,
      text: kubeadmConfig({ version, socket: runtime.socket, podSubnet, serviceSubnet, imageRepository }),
    },
    manifest(FILES.cni, cni),
    manifest(FILES.kubevirtOperator, kubevirt.operator),
    manifest(FILES.kubevirt, kubevirt.cr ?? KUBEVIRT_CR),
    ...(cdi === undefined ? [] : [manifest(FILES.cdiOperator, cdi.operator), manifest(FILES.cdi, cdi.cr ?? CDI_CR)]),
    {
      kind: 'file',
      path: firstBootScript(80, 'kubevirt'),
      text: installScript({ waitSeconds, cdi: cdi !== undefined }),
      mode: '0700',
    },
    ...params.archives.flatMap((archive, index) => importActions(archive, runtime, index, 'kubevirt')),
    pullAction(
      `pull ${names.length} images and those of Kubernetes ${version}`,
      lines([...(names.length === 0 ? [] : [listNames(names)]), listKubeadmImages(kubernetes, imageRepository)]),
      runtime,
      params,
    ),
  ];
}

function manifest(name: string, source: Source | string): Action {
  const path = `${FOLDER}/${name}`;
  if (typeof source === 'string') return { kind: 'file', path, text: source };
  return { kind: 'download', download: sourceDownload(source, `kubevirt: ${name}`), path };
}

function pulled(params: Params): readonly string[] {
  const brought = params.archives.flatMap(({ images }) => images);
  return wanted(params).filter((name) => !brought.includes(name));
}

function wanted({ kubevirt, cdi, registry, images }: Params): readonly string[] {
  const of = (names: readonly string[], version: string) => names.map((name) => `${registry}/${name}:${version}`);
  return [
    ...new Set([...of(KUBEVIRT_IMAGES, kubevirt.version), ...(cdi === undefined ? [] : of(CDI_IMAGES, cdi.version)), ...images]),
  ];
}

function imageCheck(params: Params, runtime: Runtime): Check {
  const names = [...new Set([...wanted(params), ...params.archives.flatMap(({ images }) => images)])];
  return {
    name: 'kubevirt/images',
    title: 'everything the first boot starts is in the image',
    script: sh`${listNames(names.flatMap(knownAs))} | ${missing(runtime)}`,
    expect: { kind: 'equals', text: '' },
    when: ['build', 'boot'],
    timeoutMs: STORE_TIMEOUT_MS,
  };
}

/** After first-boot/done, which waits. */
const readyCheck: Check = {
  name: 'kubevirt/ready',
  title: 'KubeVirt is deployed on a ready node of the machine’s name',
  script: sh`
    export KUBECONFIG=/etc/kubernetes/admin.conf
    kubectl wait --for=condition=Ready --timeout=10s "node/$(uname -n)" >/dev/null
    kubectl get kubevirt kubevirt --namespace kubevirt --output 'jsonpath={.status.phase}'
  `,
  expect: { kind: 'equals', text: 'Deployed' },
  when: ['boot'],
};
