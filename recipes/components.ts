import { z } from 'zod';
import { type Action, type Check, defineRecipe, type RecipeContext, sh } from '../src/core/index.ts';
import { imagesSchema, knownAs } from './image-name.ts';
import {
  archiveSchema,
  importActions,
  listNames,
  missing,
  pullAction,
  pullIssues,
  pullPackages,
  pullSettings,
  STORE_TIMEOUT_MS,
} from './pull.ts';
import { type Runtime, runtimeOf } from './runtime.ts';
import { sourceDownload, sourceSchema } from './source.ts';

const params = z.strictObject({
  images: imagesSchema.describe('Container images to pull'),
  archives: z.array(archiveSchema).default([]).describe('Archives with container images to import'),
  files: z
    .array(
      z.strictObject({
        from: sourceSchema('The file'),
        to: z
          .string()
          .regex(/^(\/[^/\s]+)+$/, 'must be an absolute path of a file')
          .describe('Absolute path in the image'),
        mode: z
          .string()
          .regex(/^0[0-7]{3}$/, 'must be an octal mode such as 0755')
          .default('0755')
          .describe('Octal mode'),
      }),
    )
    .default([])
    .describe('Executables and other files; what is in an object store is fetched by its HTTPS URL, presigned if need be'),
  ...pullSettings,
});

type Params = z.output<typeof params>;

/** What an image is to have besides a node: container images, programs, files. Replaces image-builder's load_additional_components. */
export const components = defineRecipe({
  name: 'components',
  summary: 'more container images, executables and files, each with its digest',
  params,
  optional: true,
  after: ['containerd', 'crio', 'prepull'],
  validate: (context, params) => [
    ...(hasImages(params) ? pullIssues(context, 'components') : []),
    ...params.files.flatMap(({ to }, index) =>
      params.files.findIndex((other) => other.to === to) < index
        ? [{ path: `files.${index}.to`, message: `${to} is there twice` }]
        : [],
    ),
  ],
  packages: (context, params) => (hasImages(params) ? pullPackages(context) : []),
  steps: (context, params) => [
    ...params.files.map(
      ({ from, to, mode }): Action => ({ kind: 'download', download: sourceDownload(from, `components: ${to}`), path: to, mode }),
    ),
    ...withRuntime(context, (runtime) => fill(params, runtime)),
  ],
  checks: (context, params) => [
    ...(params.files.length === 0 ? [] : [fileCheck(params)]),
    ...withRuntime(context, (runtime) => (hasImages(params) ? [imageCheck(params, runtime)] : [])),
  ],
});

function hasImages({ images, archives }: Params): boolean {
  return images.length + archives.length > 0;
}

function withRuntime<T>(context: RecipeContext, make: (runtime: Runtime) => readonly T[]): readonly T[] {
  const runtime = runtimeOf(context);
  return runtime === undefined ? [] : make(runtime);
}

function fill(params: Params, runtime: Runtime): readonly Action[] {
  const { images, archives } = params;
  return [
    ...archives.flatMap((archive, index) => importActions(archive, runtime, index, 'components')),
    ...(images.length === 0 ? [] : [pullAction(`pull ${images.length} container images`, listNames(images), runtime, params)]),
  ];
}

/** Digests, since a file of the right name may be another one by the time the image is used. */
function fileCheck({ files }: Params): Check {
  const sums = files.map(({ from, to }) => `${from.sha256}  ${to}`);
  return {
    name: 'components/files',
    title: `${files.length} files are as they were given`,
    script: sh`printf '%s\n' ${sums} | sha256sum --check --quiet`,
    expect: { kind: 'success' },
    when: ['build', 'boot'],
  };
}

function imageCheck({ images, archives }: Params, runtime: Runtime): Check {
  const names = [...new Set([...images, ...archives.flatMap((archive) => archive.images)])];
  return {
    name: 'components/images',
    title: `${names.length} more container images are there`,
    script: sh`${listNames(names.flatMap(knownAs))} | ${missing(runtime)}`,
    expect: { kind: 'equals', text: '' },
    when: ['build', 'boot'],
    timeoutMs: STORE_TIMEOUT_MS,
  };
}
