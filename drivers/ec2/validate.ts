import type { ConfigIssue, MachineSpec } from '../../src/core/index.ts';
import { instanceType } from './instance.ts';
import type { Ec2Options } from './options.ts';

/** What of the options cannot be with this machine. Pure. */
export function validate(machine: MachineSpec, options: Ec2Options): readonly ConfigIssue[] {
  return [...instanceIssues(machine, options), ...volumeIssues(options), ...amiIssues(machine, options)];
}

function instanceIssues(machine: MachineSpec, options: Ec2Options): readonly ConfigIssue[] {
  const type = instanceType(machine, options);
  const issues: ConfigIssue[] = [];
  if (isArm(type) !== (machine.arch === 'arm64')) {
    issues.push({
      path: 'instanceType',
      message: `${type} is for ${isArm(type) ? 'arm64' : 'amd64'}, the image for ${machine.arch}`,
    });
  }
  if (machine.arch === 'arm64' && machine.firmware === 'bios') {
    issues.push({ path: '', message: 'there is no BIOS for arm64', hint: 'firmware: uefi' });
  }
  if (options.securityGroups.length > 0 && options.allowFrom !== undefined) {
    issues.push({ path: 'allowFrom', message: 'is only looked at without securityGroups' });
  }
  if (options.subnets.length > 0 && Object.keys(options.subnetFilter).length > 0) {
    issues.push({ path: 'subnets', message: 'says where already: leave out subnetFilter' });
  }
  return issues;
}

function volumeIssues({ volume }: Ec2Options): readonly ConfigIssue[] {
  const { type, iops, throughput, encrypted, kmsKeyId } = volume;
  const issues: ConfigIssue[] = [];
  if (iops !== undefined && !['gp3', 'io1', 'io2'].includes(type))
    issues.push({ path: 'volume.iops', message: `is not for ${type}` });
  if (iops === undefined && (type === 'io1' || type === 'io2'))
    issues.push({ path: 'volume.iops', message: `is needed for ${type}` });
  if (throughput !== undefined && type !== 'gp3') issues.push({ path: 'volume.throughput', message: `is not for ${type}` });
  if (encrypted === false && kmsKeyId !== undefined)
    issues.push({ path: 'volume.kmsKeyId', message: 'is of no use unencrypted' });
  return issues;
}

function amiIssues({ firmware }: MachineSpec, { region, volume, ami }: Ec2Options): readonly ConfigIssue[] {
  const issues: ConfigIssue[] = [];
  const isEncrypted = volume.encrypted === true || volume.kmsKeyId !== undefined || Object.keys(ami.kmsKeyIds).length > 0;
  if (ami.public && isEncrypted) issues.push({ path: 'ami.public', message: 'an encrypted AMI cannot be public' });
  if (ami.tpm && ami.bootMode !== 'uefi') issues.push({ path: 'ami.tpm', message: 'needs ami.bootMode: uefi' });
  if (ami.bootMode === 'uefi' && firmware === 'bios') {
    issues.push({ path: 'ami.bootMode', message: 'is uefi, but the image’s firmware is bios' });
  }
  for (const other of Object.keys(ami.kmsKeyIds)) {
    if (other === region) {
      issues.push({ path: `ami.kmsKeyIds.${other}`, message: 'is the home region: set volume.kmsKeyId' });
    } else if (ami.regions !== 'all' && !ami.regions.includes(other)) {
      issues.push({ path: `ami.kmsKeyIds.${other}`, message: 'is not among ami.regions' });
    }
  }
  return issues;
}

/** Graviton: a `g` after the generation (AWS: instance type naming); and the first of them. */
function isArm(type: string): boolean {
  return /^(a1$|[a-z]+\d+[a-z]*g)/.test(type.split('.')[0] ?? '') && !/^g\d+$/.test(type.split('.')[0] ?? '');
}
