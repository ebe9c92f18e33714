import { KUBERNETES, KUBERNETES_1_24, LINUX } from '../recipes/hardening/control.ts';
import { CONTROLS } from '../recipes/hardening/index.ts';
import { code, GENERATED, markdownTable } from './docs-text.ts';

/** What of the benchmarks the recipe leaves alone, and why. */
const LEFT_OUT: readonly (readonly [string, string])[] = [
  ['1.1.1.8', 'FAT is what UEFI boots from'],
  ['1.1.2–1.1.14', 'cloud images have one partition; a noexec /tmp breaks installers and charts’ hooks'],
  ['1.4.2–1.4.4', 'nobody stands at a node’s console'],
  ['1.6', 'SELinux and AppArmor stay as the system has them; the recipe `selinux` says more'],
  ['2.2', 'time is the recipe `node`’s; a node has no other services'],
  ['3.1.1', 'a node forwards packets: that is how pods reach each other'],
  ['3.2.7', 'reverse-path filtering is the network plugin’s decision'],
  ['3.2.9', 'router advertisements give addresses in networks with IPv6'],
  ['3.5, 3.6, 3.7', 'the firewall is the recipe `firewall`’s; wireless is not there; IPv6 stays on'],
  ['4.1', 'audit rules are the recipe `audit`’s'],
  ['4.2.1, 4.2.3, 4.3', 'logs go to the journal; pods’ logs belong to kubelet'],
  ['5.2.2–5.2.4', 'host keys are made at the first boot; protocol 1 is gone'],
  ['5.2.18', 'who may log in is the user’s to say'],
  ['5.3, 5.4.1', 'accounts of a node have no passwords; ages would lock them out'],
  ['5.5, 5.6', 'root has no password'],
  ['6.1.1, 6.1.10–6.1.14, 6.2 but 6.2.1 and 6.2.5', 'files of container images would count'],
  ['Kubernetes 4.1.3–4.1.8, 4.2.3, 4.2.9', 'kubeadm writes these when the node joins, as the benchmark wants them'],
  ['Kubernetes 4.2.7, 4.3.1', 'a flag nobody sets; kube-proxy is configured by the cluster'],
];

/** docs/hardening.md: every control, and what is left out. */
export function renderHardening(): string {
  const rows = CONTROLS.map(({ id, reference, title, level, off, notOn }) => [
    code(id),
    reference.replace(LINUX, 'Linux').replace(KUBERNETES_1_24, 'Kubernetes 1.24').replace(KUBERNETES, 'Kubernetes'),
    String(level),
    title,
    [off === undefined ? '' : `off: ${off}`, notOn === undefined ? '' : `not on ${notOn.join(', ')}`]
      .filter((text) => text !== '')
      .join('; '),
  ]);
  return `${[
    '# Hardening',
    GENERATED,
    [
      'The recipe `hardening` applies controls of two benchmarks and checks each of them on the live guest, once before the image is sealed',
      `and once on a fresh boot of the finished file: *${LINUX}* (Linux below) and *${KUBERNETES}*, section 4 (Kubernetes below).`,
      'It is a subset: what would keep a node from doing its work is left out, below with the reason. A level is the profile’s of the Linux',
      'benchmark; for Kubernetes, 2 marks what changes the behaviour of workloads.',
    ].join('\n'),
    [
      '```yaml',
      'image: debian13',
      'recipes:',
      '  hardening:',
      '    level: 2',
      '    skip: { linux-5.2.21: engineers tunnel through the nodes }',
      '    add: [linux-1.1.1.7]',
      '```',
    ].join('\n'),
    [
      'kubelet’s settings are a file of `/etc/kubernetes/kubelet.conf.d`, which wins over what kubeadm writes; files that sort after it win over',
      'it. They show in a running node’s `/configz`.',
    ].join('\n'),
    `## Controls\n\n${markdownTable(['Id', 'Benchmark', 'Level', 'What is so', ''], rows)}`,
    `## Left out\n\n${markdownTable(['Number', 'Why'], LEFT_OUT)}`,
  ].join('\n\n')}\n`;
}
