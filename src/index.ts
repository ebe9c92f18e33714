import { cacheHome, stateHome } from './cli/io.ts';
import { loadRegistry } from './cli/registry.ts';
import { configure } from './config/configure.ts';
import type { ImageInput } from './config/define.ts';
import type { Registry } from './config/schema.ts';
import type { BuildPlan } from './core/index.ts';
import type { BuildRequest } from './engine/request.ts';
import { type BuildHandle, startBuild } from './engine/start-build.ts';
import { planBuild } from './plan/planner.ts';
import type { ResolvedImage } from './plan/resolved.ts';

export { defineImage, type ImageInput } from './config/define.ts';
export { type Registry, toJsonSchema } from './config/schema.ts';
export * from './core/index.ts';
export type { BuildRequest, BuildResult, MachineAccess } from './engine/request.ts';
export type { BuildHandle } from './engine/start-build.ts';
export type { ResolvedImage } from './plan/resolved.ts';
export { loadRegistry };

export interface PlanOptions {
  /** What images may name; default: everything this package has. Add recipes and drivers of your own to `await loadRegistry()`. */
  readonly registry?: Registry;
  /** Relative paths in the image start here; default: the current folder. */
  readonly cwd?: string;
}

export interface BuildOptions extends PlanOptions, Partial<Omit<BuildRequest, 'image'>> {
  /** Stops the build, which then cleans up and rejects with KIB_CANCELLED. */
  readonly signal?: AbortSignal;
}

/** Computes everything a build would do. No network, nothing is created. Throws KIB_CONFIG_INVALID with everything that is wrong. */
export async function plan(image: ImageInput, options: PlanOptions = {}): Promise<BuildPlan> {
  return planBuild(await resolveInput(image, options));
}

/**
 * Starts a build once the image is known to be right: read the handle's events, await its `result`. Nothing of the environment is read
 * but the XDG folders. Artifacts go to `outputDir` (default `output`).
 */
export async function build(image: ImageInput, options: BuildOptions = {}): Promise<BuildHandle> {
  const { signal = new AbortController().signal, registry: _, cwd: __, ...request } = options;
  return startBuild(
    {
      outputDir: 'output',
      verify: true,
      force: false,
      onError: 'cleanup',
      stateHome: stateHome(process.env),
      cacheHome: cacheHome(process.env),
      ...request,
      image: await resolveInput(image, options),
    },
    signal,
  );
}

async function resolveInput(image: ImageInput, options: PlanOptions): Promise<ResolvedImage> {
  const { images } = await configure({
    targets: [image],
    registry: options.registry ?? (await loadRegistry()),
    variables: { env: {}, varFiles: [], vars: [], flags: [], cwd: options.cwd ?? process.cwd() },
  });
  const [configured] = images;
  if (configured === undefined) throw new Error('one image was configured into none');
  return configured.image;
}
