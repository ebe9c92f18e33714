import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PreviewLine } from '../../../src/core/index.ts';
import { cli } from '../../support/cli.ts';
import { FakeAws } from '../../support/ec2/fake.ts';
import { useFakeCredentials } from '../../support/ec2/rig.ts';

useFakeCredentials();

let aws: FakeAws;
let ami: string;
beforeEach(async () => {
  aws = await FakeAws.start({ settleMs: 5, lagMs: 3 });
  ami = aws.addImage({ name: 'product', productCodes: ['aw0evgkw8e5c1q413zgy5pjce'] });
});
afterEach(() => aws[Symbol.asyncDispose]());

const strip = (...args: string[]) =>
  cli(['ec2', 'strip-product-code', ami, '--region', 'eu-central-1', '--endpoint', aws.endpoint, ...args]);

describe('ec2 strip-product-code', () => {
  it('says with --dry-run what it would call, and calls nothing that changes something', async () => {
    const { code, stdout, stderr } = await strip(
      '--dry-run',
      '--instance-type',
      'm5.large',
      '--tag',
      'team=nodes',
      '--name',
      'plain',
    );
    expect(code, stderr).toBe(0);
    expect(stdout).toContain('# Start a helper with an empty volume\nec2:RunInstances ');
    expect(stdout).toContain('"InstanceType":"m5.large"');
    expect(stdout).toContain('"Name":"plain"');
    expect(stdout).toContain('{"Key":"team","Value":"nodes"}');
    expect(aws.calls.map(({ action }) => action)).toEqual(['DescribeImages']);
  });

  it('gives the same as JSON', async () => {
    const { stdout } = await strip('--dry-run', '--json', '--subnet', 'subnet-0a', '--security-group', 'sg-0a', '--private');
    const lines = JSON.parse(stdout) as readonly PreviewLine[];
    expect(lines.map(({ argv }) => argv[0])).toEqual([
      'ec2:RunInstances',
      'fsfreeze',
      'ec2:StopInstances',
      'ec2:CreateSnapshot',
      'ec2:RegisterImage',
      'ec2:TerminateInstances',
    ]);
    expect(lines[0]?.argv[1]).toContain('"SubnetId":"subnet-0a","Groups":["sg-0a"],"AssociatePublicIpAddress":false');
  });

  it('cleans up when the helper cannot be had', async () => {
    aws.denied.add('RunInstances');
    const { code, stderr } = await strip('--allow-from', '192.0.2.0/24', '--poll-seconds', '0.01');
    expect(code).not.toBe(0);
    expect(stderr).toContain('KIB_EC2_UNAUTHORIZED');
    expect(aws.leftovers()).toEqual([]);
  });

  it.each([
    [['--instance-type', 'large'], 'instanceType: must be an instance type'],
    [['--subnet', 'here'], 'must be the id of a subnet'],
    [['--allow-from', 'everywhere'], 'allowFrom.0: '],
    [['--slowness', 'much'], 'slowness'],
  ])('refuses %j', async (args, message) => {
    const { code, stderr } = await strip(...args);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
    expect(aws.calls).toEqual([]);
  });

  it('wants a region', async () => {
    const { code, stderr } = await cli(['ec2', 'strip-product-code', 'ami-0123456789abcdef0']);
    expect(code).toBe(2);
    expect(stderr).toContain('--region');
  });
});
