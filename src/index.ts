import { cacheHome, stateHome } from './cli/io.ts';
import { loadRegistry } from './cli/registry.ts';
import { configure } from './config/configure.ts';
import type { ImageInput } from './config/define.ts';
import type { Registry } from './config/schema.ts';
import type { BuildPlan, Context } from './core/index.ts';
import { type BuildAllHandle, buildAll as buildRequests } from './engine/build-all.ts';
import type { BuildRequest } from './engine/request.ts';
import { type BuildHandle, startBuild, startWork, type WorkHandle } from './engine/start-build.ts';
import { planBuild } from './plan/planner.ts';
import type { ResolvedImage } from './plan/resolved.ts';

export { defineImage, type ImageInput } from './config/define.ts';
export { type Registry, toJsonSchema } from './config/schema.ts';
export * from './core/index.ts';
export type { BuildAllHandle, SettledBuild } from './engine/build-all.ts';
export type { Breakpoint, BuildRequest, BuildResult, MachineAccess } from './engine/request.ts';
export type { BuildHandle, WorkHandle } from './engine/start-build.ts';
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
 * but the XDG folders and the variables that secrets of the image name. Artifacts go to `outputDir` (default `output`).
 */
export async function build(image: ImageInput, options: BuildOptions = {}): Promise<BuildHandle> {
  return startBuild(await toRequest(image, options), signalOf(options));
}

/**
 * Like `build`, for several images, of which `parallel` (default 1) are built at once. One that fails does not stop the others: the handle's
 * `results` tell how each ended.
 */
export async function buildAll(
  images: readonly ImageInput[],
  options: BuildOptions & { readonly parallel?: number } = {},
): Promise<BuildAllHandle> {
  const { parallel = 1, ...rest } = options;
  const requests = await Promise.all(images.map((image) => toRequest(image, rest)));
  return buildRequests(requests, { parallel, signal: signalOf(rest) });
}

export interface ContextOptions extends Partial<Pick<BuildRequest, 'stateHome' | 'cacheHome' | 'network'>> {
  /** Stops the work, if it watches its context's signal; what it made is cleaned up. */
  readonly signal?: AbortSignal;
}

/**
 * Runs `work` with a context of its own, for drivers and exporters without a build: folders, events, a journal that `kib-native gc` reads.
 * What its scope holds is released before the handle's `result` settles, machines and sealed disks too. `name` becomes part of the build id.
 */
export function withContext<T>(
  name: string,
  work: (context: Context) => Promise<T>,
  options: ContextOptions = {},
): WorkHandle<T> {
  const { signal: _, ...homes } = options;
  const request = { stateHome: stateHome(process.env), cacheHome: cacheHome(process.env), ...homes, image: { name } };
  return startWork(request, work, signalOf(options));
}

async function toRequest(image: ImageInput, options: BuildOptions): Promise<BuildRequest> {
  const { signal: _, registry: __, cwd: ___, ...request } = options;
  return {
    outputDir: 'output',
    verify: true,
    force: false,
    onError: 'cleanup',
    stateHome: stateHome(process.env),
    cacheHome: cacheHome(process.env),
    env: process.env,
    ...request,
    image: await resolveInput(image, options),
  };
}

function signalOf({ signal = new AbortController().signal }: Pick<BuildOptions, 'signal'>): AbortSignal {
  return signal;
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
