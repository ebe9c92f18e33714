import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import {
  type Artifact,
  type BuildPlan,
  type CheckResult,
  type Context,
  digestFile,
  type RemoteImage,
  systemCode,
} from '../core/index.ts';
import { artifactKey } from './artifact-key.ts';
import { isPausing } from './breakpoints.ts';
import { exists } from './folder.ts';
import { outputExists } from './output-dir.ts';
import type { BuildRequest, BuildResult } from './request.ts';

// Only what is needed to hand out an earlier build again; the rest is for people.
const manifestSchema = z.object({
  key: z.string(),
  created: z.string(),
  verified: z.boolean(),
  inputs: z.object({ layers: z.array(z.object({ name: z.string(), key: z.string() })) }),
  artifacts: z.array(
    z.object({
      file: z.string(),
      format: z.enum(['qcow2', 'raw', 'ova']),
      bytes: z.number(),
      sha256: z.string(),
      disk: z.object({ format: z.enum(['qcow2', 'raw', 'vmdk']), offset: z.number(), bytes: z.number() }),
    }),
  ),
  images: z
    .array(
      z.object({
        format: z.enum(['ami', 'template']),
        id: z.string(),
        location: z.string(),
        facts: z.record(z.string(), z.string()),
      }),
    )
    .default([]),
  checks: z.array(z.custom<CheckResult>((value) => typeof value === 'object' && value !== null)),
});

/** A folder that an earlier build published, and what its manifest says. */
export interface EarlierBuild {
  readonly dir: string;
  readonly manifest: z.infer<typeof manifestSchema>;
}

/**
 * The build whose artifacts stand where this one's are to go; undefined when nothing is there or all of it may be replaced. Throws
 * KIB_OUTPUT_EXISTS for a folder that no build of this release can have made.
 */
export async function findEarlier(request: BuildRequest, name: string): Promise<EarlierBuild | undefined> {
  if (request.force) return undefined;
  const dir = join(request.outputDir, name);
  let text: string;
  try {
    text = await readFile(join(dir, 'manifest.json'), 'utf8');
  } catch (error) {
    if (systemCode(error) !== 'ENOENT' && systemCode(error) !== 'ENOTDIR') throw error;
    if (await exists(dir)) throw outputExists(dir);
    return undefined;
  }
  const manifest = manifestSchema.safeParse(parse(text));
  if (!manifest.success) throw outputExists(dir);
  return { dir, manifest: manifest.data };
}

/**
 * The earlier artifacts, each digested anew, for a plan that nothing has changed for. Throws KIB_OUTPUT_EXISTS when something has, or when a
 * file is not what was built.
 */
export async function reuseEarlier(
  earlier: EarlierBuild,
  plan: BuildPlan,
  request: BuildRequest,
  context: Context,
): Promise<Pick<BuildResult, 'artifacts' | 'images' | 'checks' | 'builtAt'>> {
  const { dir, manifest } = earlier;
  const change = changeOf(earlier, plan, request);
  if (change !== undefined) throw outputExists(dir, change);
  return context.span.run('verify', 'nothing changed: check the digests', async (span) => {
    const artifacts = await Promise.all(
      manifest.artifacts.map(async ({ file, ...artifact }): Promise<Artifact> => {
        const path = join(dir, file);
        const got = (await exists(path)) ? await digestFile(path, 'sha256', context.signal) : undefined;
        if (got === artifact.sha256) return { ...artifact, path };
        throw outputExists(dir, `${file} is ${got === undefined ? 'gone' : 'not what was built'}`);
      }),
    );
    for (const image of manifest.images) {
      if (await stillThere(image, request, { ...context, span })) continue;
      throw outputExists(dir, `${image.format} ${image.id} is not in ${image.location} any more`);
    }
    span.mark('cached');
    return { artifacts, images: manifest.images, checks: manifest.checks, builtAt: manifest.created };
  });
}

function stillThere(image: RemoteImage, { image: { driver, driverOptions } }: BuildRequest, context: Context): Promise<boolean> {
  return driver.images?.exists(image, driverOptions, context) ?? Promise.resolve(false);
}

/** What makes an earlier build another one, in words. */
function changeOf({ manifest }: EarlierBuild, plan: BuildPlan, request: BuildRequest): string | undefined {
  const layer = plan.layers.find(({ name, key }) => !manifest.inputs.layers.some((l) => l.name === name && l.key === key));
  if (isPausing(plan, request)) return 'a build with a breakpoint is never the same again';
  if (layer !== undefined) return `it was made with another ${layer.name} layer`;
  if (manifest.key !== artifactKey(plan)) return 'it was sealed, exported or checked otherwise';
  if (request.verify && !manifest.verified) return 'it was never verified';
  return undefined;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
