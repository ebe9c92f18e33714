import { imageName } from '../convert.ts';
import { amazon, vmware, vsphere } from './builder-others.ts';
import { qemu } from './builder-qemu.ts';
import type { Draft } from './draft.ts';
import { isWhole, type Part, text } from './template.ts';

type Take = (draft: Draft, part: Part) => readonly string[];

/** How each builder is read; what a function returns are the settings it has looked at. */
const BUILDERS: Readonly<Record<string, { readonly driver: string; readonly take: Take }>> = {
  qemu: { driver: 'qemu', take: qemu },
  'vmware-iso': { driver: 'vmware', take: vmware },
  'vmware-vmx': { driver: 'vmware', take: vmware },
  'vsphere-iso': { driver: 'vsphere', take: vsphere },
  'vsphere-clone': { driver: 'vsphere', take: vsphere },
  'amazon-ebs': { driver: 'ec2', take: amazon },
};

/** Logins, keystrokes, seeds and waiting: every build has its own. */
const BUILD_ONLY =
  /^(type|name|communicator|ssh_.*|winrm_.*|boot_.*|http_.*|cd_.*|floppy_.*|shutdown_.*|iso_target_.*|pause_before_connecting|keep_registered|temporary_.*|ip_(wait|settle).*|vnc_.*|qmp_.*|host_port_.*|skip_(nat_mapping|compaction|export)|use_(pxe|backing_file|default_display)|tools_(upload|source|mode).*|disable_vnc|headless)$/;

export function isKnownBuilder(type: string): boolean {
  return Object.hasOwn(BUILDERS, type);
}

/** Takes a builder's settings over, and notes those that it cannot. */
export function takeBuilder(draft: Draft, part: Part): void {
  const { driver, take } = BUILDERS[part.type] ?? {};
  if (driver === undefined || take === undefined || !draft.drivers.includes(driver)) {
    draft.note(part.place, `builder ${part.type}`, 'there is no driver of its kind; the image is built by the default one');
    common(draft, part);
    return;
  }
  draft.set('driver.name', driver, part.place);
  const seen = new Set([...take(draft, part), ...common(draft, part)]);
  const dropped: string[] = [];
  for (const [setting, value] of Object.entries(part.settings)) {
    if (seen.has(setting) || value === null || value === '' || value === false) continue;
    if (BUILD_ONLY.test(setting)) dropped.push(setting);
    else draft.note(part.placeOf(setting), setting, 'has no counterpart');
  }
  const shown = dropped.filter((setting) => setting !== 'type' && setting !== 'name');
  if (shown.length > 0)
    draft.note(part.place, shown.join(', '), 'each build has a login, a seed, waiting and power-off of its own');
}

/** Names of hypervisor-independent settings. */
function common(draft: Draft, part: Part): readonly string[] {
  const { settings } = part;
  for (const key of ['vm_name', 'ami_name', 'output_directory'] as const) {
    const value = text(settings[key]);
    if (value === undefined) continue;
    const name = isWhole(value)
      ? imageName(value.replace(/\.(qcow2|raw|img|vmdk)$/, '').replace(/-kube-v[\d.]+$/, ''))
      : undefined;
    if (key === 'output_directory') draft.note(part.placeOf(key), key, `kib-native build --output-dir ${value}`);
    else if (name === undefined)
      draft.note(part.placeOf(key), key, 'names have no functions; the image’s folder says system and Kubernetes release');
    else draft.set('name', name, part.placeOf(key));
  }
  return ['vm_name', 'ami_name', 'output_directory', 'headless'];
}
