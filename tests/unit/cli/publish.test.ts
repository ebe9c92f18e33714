import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RemoteImage } from '../../../src/core/index.ts';
import { cli } from '../../support/cli.ts';
import { FakeAws } from '../../support/ec2/fake.ts';
import { useFakeCredentials } from '../../support/ec2/rig.ts';

useFakeCredentials();

let aws: FakeAws;
beforeEach(async () => {
  aws = await FakeAws.start({ settleMs: 5, lagMs: 3 });
});
afterEach(() => aws[Symbol.asyncDispose]());

const files = { 'disk.raw': Buffer.concat([Buffer.alloc(1 << 20), randomBytes(4096)]) };

describe('publish ami', () => {
  it('makes an AMI with what the options say', async () => {
    const { code, stdout, stderr } = await cli(
      [
        ['publish', 'ami', 'disk.raw', '--region', 'eu-central-1', '--endpoint', aws.endpoint, '--json', '--arch', 'arm64'],
        ['--name', '{name} of {build}', '--tag', 'team=nodes', '--tag', 'expr=a=b', '--snapshot-tag', 'team=disks'],
        ['--kms-key', 'eu-central-1=arn:aws:kms:eu-central-1:111122223333:key/1', '--boot-mode', 'uefi', '--tpm'],
        ['--share-account', '222233334444', '333344445555', '--deprecate-after-days', '9', '--protect'],
      ].flat(),
      { files },
    );
    expect(code, stderr).toBe(0);
    const [image] = JSON.parse(stdout) as readonly RemoteImage[];
    expect(image?.facts['name']).toMatch(/^disk of \d{8}-\d{6}-publish-ami-[0-9a-f]{4}$/);
    const made = aws.region().images.get(image?.id ?? '');
    expect(made).toMatchObject({
      architecture: 'arm64',
      bootMode: 'uefi',
      tpm: 'v2.0',
      protection: 'enabled-without-cooldown',
      tags: { team: 'nodes', expr: 'a=b' },
      permissions: [{ UserId: '222233334444' }, { UserId: '333344445555' }],
    });
    const snapshot = aws.region().snapshots.get(made?.snapshotId ?? '');
    expect(snapshot).toMatchObject({
      encrypted: true,
      kmsKeyId: 'arn:aws:kms:eu-central-1:111122223333:key/1',
      tags: { team: 'disks' },
    });
    expect([...(snapshot?.blocks.keys() ?? [])]).toEqual([2]);
    expect(stderr).toContain('send disk to eu-central-1');
  }, 60_000);

  it('prints region, id and name', async () => {
    const argv = ['publish', 'ami', 'disk.raw', '--region', 'eu-central-1', '--endpoint', aws.endpoint, '--name', 'mine'];
    const { code, stdout } = await cli([...argv, '--regions', 'us-east-1'], { files });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^eu-central-1 ami-\w+ mine\nus-east-1 ami-\w+ mine\n$/);
  }, 60_000);

  it.each([
    [['--region', 'nowhere'], 2, 'must be a region such as eu-central-1'],
    [['--region', 'eu-central-1', '--share-account', '1'], 2, 'shareWith.accounts.0: must be an account id of 12 digits'],
    [['--region', 'eu-central-1', '--arch', 'arm64', '--boot-mode', 'legacy-bios'], 2, 'arm64 boots with UEFI only'],
    [['--region', 'eu-central-1', '--tpm'], 2, 'a TPM needs boot mode uefi'],
    [['--region', 'eu-central-1', '--tag', 'team'], 2, 'must look like name=value'],
    [[], 2, '--region'],
  ])('refuses %j', async (options, status, message) => {
    const { code, stderr } = await cli(['publish', 'ami', 'disk.raw', ...options], { files });
    expect(code).toBe(status);
    expect(stderr).toContain(message);
    expect(aws.calls).toEqual([]);
  });
});
