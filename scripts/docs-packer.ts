import { AMAZON_NAMES } from '../src/config/packer/amazon.ts';
import { ANSIBLE_NAMES } from '../src/config/packer/ansible.ts';
import { COMPONENTS_NAMES } from '../src/config/packer/components.ts';
import { CONTAINERD_NAMES } from '../src/config/packer/containerd.ts';
import { INSTALLER_NAMES } from '../src/config/packer/installer.ts';
import { KUBERNETES_NAMES } from '../src/config/packer/kubernetes.ts';
import { MACHINE_NAMES } from '../src/config/packer/machine.ts';
import type { PackerNames } from '../src/config/packer/name.ts';
import { OTHER_BUILDER_NAMES } from '../src/config/packer/other-builders.ts';
import { SETUP_NAMES } from '../src/config/packer/setup.ts';
import { VSPHERE_NAMES } from '../src/config/packer/vsphere.ts';
import { code, GENERATED, markdownTable } from './docs-text.ts';

const AREAS: readonly (readonly [string, PackerNames])[] = [
  ['Kubernetes and CNI', KUBERNETES_NAMES],
  ['Container runtime', CONTAINERD_NAMES],
  ['Packages, repositories, proxies, hooks', SETUP_NAMES],
  ['Components, credential provider, GPU', COMPONENTS_NAMES],
  ['Machine and output', MACHINE_NAMES],
  ['Amazon', AMAZON_NAMES],
  ['vSphere and VMware', VSPHERE_NAMES],
  ['Installer and login', INSTALLER_NAMES],
  ['Ansible and goss', ANSIBLE_NAMES],
  ['Other builders and Windows', OTHER_BUILDER_NAMES],
];

/** docs/packer-variables.md: every variable of image-builder. */
export function renderPackerVariables(): string {
  const sections = AREAS.map(([title, names]) => {
    const rows = Object.entries(names)
      .sort(([a], [b]) => a.localeCompare(b))
      .map(([name, { settings, note }]) => [code(name), settings.map(code).join(', ') || '–', note]);
    return `## ${title}\n\n${markdownTable(['Variable', 'Setting', ''], rows)}`;
  });
  return `${[
    '# Variables of image-builder',
    GENERATED,
    [
      'Every variable of kubernetes-sigs/image-builder (`images/capi/packer`, July 2026): the settings it stands for, or why it has no meaning.',
      '[Coming from Packer](coming-from-packer.md) says where they are read.',
    ].join('\n'),
    ...sections,
  ].join('\n\n')}\n`;
}
