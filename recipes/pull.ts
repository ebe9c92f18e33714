import { z } from 'zod';
import {
  type Action,
  type KubernetesSpec,
  lines,
  type OsDefinition,
  type RecipeContext,
  type SecretRef,
  type Sh,
  secretRefSchema,
  sh,
} from '../src/core/index.ts';
import { imageSchema, knownAs } from './image-name.ts';
import { passwordVariable, pullOne } from './pull-script.ts';
import { type Runtime, runtimeOf } from './runtime.ts';
import { sourceDownload, sourceName, sourceSchema } from './source.ts';

const PULL_TIMEOUT_MS = 3_600_000;
const IMPORT_TIMEOUT_MS = 1_800_000;
/** Time that looking at the store may take. */
export const STORE_TIMEOUT_MS = 300_000;

/** A registry, and a path in it. */
export const repositorySchema = z.string().regex(/^[\w.-]+(:\d+)?(\/[\w.-]+)*$/, 'must be a registry, with a path if it has one');

const hostSchema = z.string().regex(/^[\w.-]+(:\d+)?$/, 'must be a registry such as docker.io or registry.example:5000');

/** Settings of everything that fetches container images while the image is built; none of them is left in it. */
export const pullSettings = {
  mirrors: z
    .record(hostSchema, repositorySchema)
    .default({})
    .describe('Where to pull from instead, by registry: docker.io: mirror.example:5000/hub. The images keep their own names'),
  plainHttp: z.array(hostSchema).default([]).describe('Registries without TLS'),
  credentials: z
    .record(
      hostSchema,
      z.strictObject({
        username: z
          .string()
          .regex(/^[^:\s]+$/, 'must have no colon')
          .describe('Login name'),
        password: secretRefSchema.describe('Where its password or token is'),
      }),
    )
    .default({})
    .describe('Logins, by the registry that is asked; never in the image'),
  attempts: z.int().min(1).max(20).default(3).describe('How often to try each image'),
  parallel: z.int().min(1).max(16).default(3).describe('How many images to pull at once'),
};

const pullSchema = z.strictObject(pullSettings);
export type PullSettings = z.output<typeof pullSchema>;

/** An archive with images, and the names that must be there once it is imported. */
export const archiveSchema = z.strictObject({
  from: sourceSchema('OCI or docker-save archive'),
  images: z.array(imageSchema).min(1).describe('Names the archive brings; the build fails without them'),
  baseName: z
    .string()
    .regex(/^[\w.-]+(:\d+)?(\/[\w.-]+)+$/, 'must be an image name without tag')
    .optional()
    .describe('For OCI archives that hold tags alone: what stands before the tag'),
});
export type Archive = z.output<typeof archiveSchema>;

/** The program that puts images into the store of CRI-O, where containerd brings its own, and xargs where the base may lack it. */
export function pullPackages(context: Pick<RecipeContext, 'os' | 'recipes'>): readonly { readonly name: string }[] {
  return [
    ...(runtimeOf(context)?.name === 'crio' ? [{ name: 'skopeo' }] : []),
    ...(context.os.family === 'photon' ? [{ name: 'findutils' }] : []),
  ];
}

/** What keeps a recipe from fetching images here, if anything. */
export function pullIssues(context: RecipeContext, recipe: string): readonly { path: string; message: string; hint: string }[] {
  const runtime = runtimeOf(context);
  const path = `recipes.${recipe}`;
  if (runtime === undefined) {
    return [{ path, message: 'needs a container runtime, which is left out', hint: 'add containerd or crio' }];
  }
  if (runtime.name === 'crio' && !hasSkopeo(context.os)) {
    return [{ path, message: `${context.os.title} has no skopeo, which fills CRI-O’s store`, hint: 'use containerd' }];
  }
  return [];
}

/** Ubuntu has it since 20.10; Amazon Linux and Photon OS do not. */
function hasSkopeo({ family, distribution, version }: OsDefinition): boolean {
  if (distribution === 'ubuntu') return Number(version) > 20.04;
  return family !== 'photon' && distribution !== 'amzn';
}

/** Names of what kubeadm init needs, from where it will be told to take them. */
export function listKubeadmImages({ version, imageRepository }: KubernetesSpec, otherRepository?: string): Sh {
  return sh`kubeadm config images list --kubernetes-version ${version} --image-repository ${otherRepository ?? imageRepository}`;
}

/** Pulls the images that `names` prints, one per line, but for those that are there already. */
export function pullAction(title: string, names: Sh, runtime: Runtime, settings: PullSettings): Action {
  const secrets = Object.fromEntries(
    Object.values(settings.credentials).map(({ password }, index): [string, SecretRef] => [passwordVariable(index), password]),
  );
  return {
    kind: 'exec',
    title,
    // xargs is told of each failure, tries the other images all the same, and fails in the end.
    script: sh`
      wanted=$(${names})
      images=$(printf '%s\n' "$wanted" | ${missing(runtime)})
      [ -n "$images" ] || exit 0
      printf '%s\n' "$images" | xargs -P ${settings.parallel} -n 1 sh -c ${pullOne(runtime, settings).text} pull
    `,
    timeoutMs: PULL_TIMEOUT_MS,
    ...(Object.keys(secrets).length === 0 ? {} : { secrets }),
  };
}

export function listNames(images: readonly string[]): Sh {
  return sh`printf '%s\n' ${images}`;
}

/** Puts an archive into the guest, imports it and removes it. */
export function importActions(archive: Archive, runtime: Runtime, index: number, recipe: string): readonly Action[] {
  const path = `/var/tmp/kib-${recipe}-${index}.tar`;
  return [
    { kind: 'download', download: sourceDownload(archive.from, `${recipe}: container images`), path, mode: '0600' },
    {
      kind: 'exec',
      title: `import ${sourceName(archive.from)}`,
      script: lines([importer[runtime.name](archive, path), sh`rm -f ${path}`, required(archive.images, runtime)]),
      timeoutMs: IMPORT_TIMEOUT_MS,
    },
  ];
}

/** Prints those names of its input that the runtime's store does not have; a name with a digest must have that digest. */
export function missing(runtime: Runtime): Sh {
  if (runtime.name === 'crio') {
    return sh`sort -u | while read -r image; do skopeo inspect --raw "containers-storage:$image" >/dev/null 2>&1 || echo "$image"; done`;
  }
  return sh`{
    have=$(mktemp)
    ctr --namespace k8s.io images ls | while read -r name type digest rest; do
      case $name in
        *@*) if [ "\${name#*@}" = "$digest" ]; then echo "$name"; fi ;;
        *) echo "$name" ;;
      esac
    done | sort >"$have"
    sort -u | comm -23 - "$have"
    rm -f "$have"
  }`;
}

/** Fails unless the store has these images under every name of theirs. */
function required(images: readonly string[], runtime: Runtime): Sh {
  return sh`
    lost=$(${listNames(images.flatMap(knownAs))} | ${missing(runtime)})
    if [ -n "$lost" ]; then
      printf 'the archive does not bring %s\n' $lost >&2
      exit 1
    fi
  `;
}

const importer = {
  containerd: ({ baseName, images }: Archive, path: string) =>
    lines([
      sh`ctr --namespace k8s.io images import ${[...(baseName === undefined ? [] : ['--base-name', baseName]), path]}`,
      // What is pinned is asked for by its digest.
      ...images
        .map(knownAs)
        .flatMap(([digest = '', tagged]) =>
          tagged === undefined ? [] : [sh`ctr --namespace k8s.io images tag --force ${tagged} ${digest} >/dev/null`],
        ),
    ]),
  // One image at a time; a docker-save archive says which one is meant, an OCI archive holds one.
  crio: ({ images }: Archive, path: string) =>
    lines([
      sh`
        kind=oci-archive
        if tar -tf ${path} | grep -Fqx manifest.json; then kind=docker-archive; fi
      `,
      ...images.flatMap((image) => {
        const names = knownAs(image);
        return names.map(
          (name) => sh`
            from=$kind:${path}
            if [ "$kind" = docker-archive ]; then from=$from:${names.at(-1) ?? name}; fi
            skopeo copy --quiet "$from" ${`containers-storage:${name}`}
          `,
        );
      }),
    ]),
} as const;
