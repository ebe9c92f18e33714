import type { Recipe } from '../src/core/index.ts';
import { cloudInit } from './cloud-init.ts';
import { cni } from './cni.ts';
import { containerd } from './containerd.ts';
import { guestAgent } from './guest-agent.ts';
import { kubernetes } from './kubernetes.ts';
import { node } from './node.ts';
import { prepull } from './prepull.ts';
import { seal } from './seal.ts';

export { cloudInit, cni, containerd, guestAgent, kubernetes, node, prepull, seal };

/** Every recipe, in the order they run. All but those marked `optional` are part of an image unless it leaves them out. */
export const recipes: readonly Recipe[] = [node, containerd, cni, kubernetes, guestAgent, cloudInit, prepull, seal];
