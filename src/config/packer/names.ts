import { AMAZON_NAMES } from './amazon.ts';
import { ANSIBLE_NAMES } from './ansible.ts';
import { COMPONENTS_NAMES } from './components.ts';
import { CONTAINERD_NAMES } from './containerd.ts';
import { INSTALLER_NAMES } from './installer.ts';
import { KUBERNETES_NAMES } from './kubernetes.ts';
import { MACHINE_NAMES } from './machine.ts';
import type { PackerNames } from './name.ts';
import { OTHER_BUILDER_NAMES } from './other-builders.ts';
import { SETUP_NAMES } from './setup.ts';
import { VSPHERE_NAMES } from './vsphere.ts';

/** Variables that say what the builder and its installer do; a template's builder block says the same. */
export const BUILDER_NAMES: PackerNames = {
  ...OTHER_BUILDER_NAMES,
  ...INSTALLER_NAMES,
  ...ANSIBLE_NAMES,
  ...VSPHERE_NAMES,
  ...AMAZON_NAMES,
  ...MACHINE_NAMES,
};

/** Every variable of kubernetes-sigs/image-builder, images/capi/packer, as of July 2026. The later of two says what a shared name means. */
export const PACKER_NAMES: PackerNames = {
  ...BUILDER_NAMES,
  ...COMPONENTS_NAMES,
  ...SETUP_NAMES,
  ...CONTAINERD_NAMES,
  ...KUBERNETES_NAMES,
};
