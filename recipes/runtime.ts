import type { RecipeContext } from '../src/core/index.ts';

/** The program that runs containers, as other recipes need to know it. */
export interface Runtime {
  /** Name of its recipe. */
  readonly name: 'containerd' | 'crio';
  /** As it writes itself, and as `crictl version` says under RuntimeName but for case. */
  readonly title: string;
  /** systemd unit. */
  readonly unit: string;
  /** Where it serves the CRI, `unix://` and a path. */
  readonly socket: string;
}

export const CONTAINERD_RUNTIME: Runtime = {
  name: 'containerd',
  title: 'containerd',
  unit: 'containerd.service',
  socket: 'unix:///run/containerd/containerd.sock',
};

/** crio.conf(5), `listen`; /var/run is /run. */
export const CRIO_RUNTIME: Runtime = {
  name: 'crio',
  title: 'CRI-O',
  unit: 'crio.service',
  socket: 'unix:///run/crio/crio.sock',
};

/** The runtime of an image, undefined when it has none. */
export function runtimeOf({ recipes }: Pick<RecipeContext, 'recipes'>): Runtime | undefined {
  return [CRIO_RUNTIME, CONTAINERD_RUNTIME].find(({ name }) => recipes.includes(name));
}
