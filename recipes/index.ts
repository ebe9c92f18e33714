import type { Recipe } from '../src/core/index.ts';
import { audit } from './audit.ts';
import { cloudInit } from './cloud-init.ts';
import { cni } from './cni.ts';
import { components } from './components.ts';
import { containerd } from './containerd.ts';
import { credentialProvider } from './credential-provider.ts';
import { crio } from './crio.ts';
import { firewall } from './firewall.ts';
import { firstBoot } from './first-boot.ts';
import { gpu } from './gpu.ts';
import { guestAgent } from './guest-agent.ts';
import { hardening } from './hardening.ts';
import { kubernetes } from './kubernetes.ts';
import { kubevirt } from './kubevirt.ts';
import { networkManager } from './network-manager.ts';
import { node } from './node.ts';
import { prepull } from './prepull.ts';
import { providers } from './providers.ts';
import { seal } from './seal.ts';
import { selinux } from './selinux.ts';
import { setup } from './setup.ts';
import { watchdog } from './watchdog.ts';

export {
  audit,
  cloudInit,
  cni,
  components,
  containerd,
  credentialProvider,
  crio,
  firewall,
  firstBoot,
  gpu,
  guestAgent,
  hardening,
  kubernetes,
  kubevirt,
  networkManager,
  node,
  prepull,
  providers,
  seal,
  selinux,
  setup,
  watchdog,
};

/** Every recipe, in the order they run. All but those marked `optional` are part of an image unless it leaves them out. */
export const recipes: readonly Recipe[] = [
  setup,
  node,
  providers,
  containerd,
  crio,
  cni,
  kubernetes,
  guestAgent,
  watchdog,
  networkManager,
  firewall,
  audit,
  selinux,
  gpu,
  cloudInit,
  prepull,
  components,
  credentialProvider,
  firstBoot,
  kubevirt,
  hardening,
  seal,
];
