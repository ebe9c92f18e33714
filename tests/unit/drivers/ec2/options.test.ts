import { describe, expect, it } from 'vitest';
import { continued } from '../../../../drivers/ec2/console.ts';
import { ec2 } from '../../../../drivers/ec2/driver.ts';
import type { MachineSpec } from '../../../../src/core/index.ts';
import { MACHINE } from '../../../support/ec2/rig.ts';

const ARM: MachineSpec = { ...MACHINE, arch: 'arm64' };

function issues(given: Record<string, unknown>, machine = MACHINE): readonly string[] {
  const options = ec2.options.parse({ region: 'eu-central-1', ...given });
  return (ec2.validate?.(machine, options) ?? []).map(({ path, message }) => `${path}: ${message}`);
}

describe('options of ec2', () => {
  it.each([
    [{}, MACHINE],
    [{}, ARM],
    [{ instanceType: 'm7g.large' }, ARM],
    [{ instanceType: 'c6gn.medium' }, ARM],
    [{ instanceType: 'a1.large' }, ARM],
    [{ instanceType: 'g5.xlarge' }, MACHINE],
    [{ instanceType: 'm7i-flex.large' }, MACHINE],
    [{ instanceType: 'inf2.xlarge' }, MACHINE],
    [{ subnets: ['subnet-0a'], vpc: 'vpc-0a' }, MACHINE],
    [{ instanceType: 'g5g.xlarge' }, ARM],
    [{ volume: { type: 'io2', iops: 100 } }, MACHINE],
    [{ ami: { regions: 'all', kmsKeyIds: { 'us-east-1': 'k' } } }, MACHINE],
    [{ ami: { tpm: true, bootMode: 'uefi' } }, MACHINE],
  ] as const)('%j are fine', (given, machine) => {
    expect(issues(given, machine)).toEqual([]);
  });

  it.each([
    [{ instanceType: 'm7g.large' }, MACHINE, 'instanceType: m7g.large is for arm64, the image for amd64'],
    [{ instanceType: 'g5.xlarge' }, ARM, 'instanceType: g5.xlarge is for amd64, the image for arm64'],
    [{}, { ...ARM, firmware: 'bios' }, ': there is no BIOS for arm64'],
    [{ securityGroups: ['sg-0a'], allowFrom: ['own'] }, MACHINE, 'allowFrom: is only looked at without securityGroups'],
    [
      { subnets: ['subnet-0a'], subnetFilter: { 'tag:Name': 'x' } },
      MACHINE,
      'subnets: says where already: leave out subnetFilter',
    ],
    [{ volume: { type: 'gp2', iops: 100 } }, MACHINE, 'volume.iops: is not for gp2'],
    [{ volume: { type: 'io2' } }, MACHINE, 'volume.iops: is needed for io2'],
    [{ volume: { type: 'gp2', throughput: 125 } }, MACHINE, 'volume.throughput: is not for gp2'],
    [{ volume: { encrypted: false, kmsKeyId: 'k' } }, MACHINE, 'volume.kmsKeyId: is of no use unencrypted'],
    [{ volume: { encrypted: true }, ami: { public: true } }, MACHINE, 'ami.public: an encrypted AMI cannot be public'],
    [{ ami: { tpm: true } }, MACHINE, 'ami.tpm: needs ami.bootMode: uefi'],
    [{ ami: { bootMode: 'uefi' } }, { ...MACHINE, firmware: 'bios' }, 'ami.bootMode: is uefi, but the image’s firmware is bios'],
    [
      { ami: { kmsKeyIds: { 'eu-central-1': 'k' } } },
      MACHINE,
      'ami.kmsKeyIds.eu-central-1: is the home region: set volume.kmsKeyId',
    ],
    [{ ami: { kmsKeyIds: { 'us-east-1': 'k' } } }, MACHINE, 'ami.kmsKeyIds.us-east-1: is not among ami.regions'],
  ] as const)('%j are refused', (given, machine, message) => {
    expect(issues(given, machine)).toEqual([message]);
  });

  it.each([
    [{ region: 'Frankfurt' }],
    [{ allowFrom: ['everywhere'] }],
    [{ credentials: { accessKeyId: 'AKIA' } }],
    [{ tags: { 'aws:mine': 'x' } }],
    [{ ami: { shareWith: { accounts: ['me'] } } }],
  ])('%j are not taken', (given) => {
    expect(ec2.options.safeParse({ region: 'eu-central-1', ...given }).success).toBe(false);
  });
});

describe('the console', () => {
  const bytes = (text: string) => Buffer.from(text);
  it.each([
    ['', 'first', 'first'],
    ['first', 'first\nsecond', '\nsecond'],
    ['same', 'same', ''],
    [`${'x'.repeat(100)}${'y'.repeat(100)}`, `${'y'.repeat(100)}new`, 'new'],
    ['rebooted long ago', 'all is new', 'all is new'],
  ])('after %j that shows %j goes on with %j', (seen, now, fresh) => {
    expect(continued(bytes(seen), bytes(now)).toString()).toBe(fresh);
  });
});
