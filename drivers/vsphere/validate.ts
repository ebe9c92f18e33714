import { guestinfoIssues } from '../../cloudinit/index.ts';
import type { ConfigIssue, MachineSpec } from '../../src/core/index.ts';
import type { VsphereOptions } from './options.ts';

/** What of the options cannot be with this machine. Pure. */
export function validate(machine: MachineSpec, options: VsphereOptions): readonly ConfigIssue[] {
  const { cidr, gateway } = options.address ?? {};
  const issues: ConfigIssue[] = [...guestinfoIssues(machine, options.seed, 'iso')];
  if (options.insecure && options.caFile !== undefined) {
    issues.push({ path: 'caFile', message: 'is not looked at with insecure: true', hint: 'leave one of them out' });
  }
  if (cidr !== undefined && gateway !== undefined && cidr.includes(':') !== gateway.includes(':')) {
    issues.push({ path: 'address.gateway', message: `is of another family than ${cidr}` });
  }
  if (cidr !== undefined && options.seed === 'ovf') {
    issues.push({ path: 'address', message: 'cannot be said by OVF properties', hint: 'driver.seed: iso' });
  }
  if (options.template.kind !== 'library' && options.template.library !== undefined) {
    issues.push({ path: 'template.library', message: `is not looked at with template.kind ${options.template.kind}` });
  }
  if (machine.diskBytes % 1024 !== 0) issues.push({ path: '', message: 'vSphere has disks of whole KiB', hint: 'disk: 20GiB' });
  return issues;
}
