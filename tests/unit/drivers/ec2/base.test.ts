import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ec2 } from '../../../../drivers/ec2/driver.ts';
import { images } from '../../../../drivers/ec2/images.ts';
import type { AmiSelector } from '../../../../src/core/index.ts';
import { FakeAws } from '../../../support/ec2/fake.ts';
import { fakeOptions, MACHINE, useFakeCredentials } from '../../../support/ec2/rig.ts';
import { type TestContext, testContext } from '../../../support/test-context.ts';

useFakeCredentials();

let aws: FakeAws;
beforeEach(async () => {
  aws = await FakeAws.start({ settleMs: 10, lagMs: 5 });
});
afterEach(() => aws[Symbol.asyncDispose]());

describe('doctor', () => {
  it('tries every permission without doing anything', async () => {
    const findings = await ec2.doctor(fakeOptions(aws, { ami: { regions: 'all' } }), MACHINE, new AbortController().signal);
    expect(findings).toEqual([
      { name: 'EC2 in eu-central-1', status: 'ok', detail: 'access key …FAKE' },
      { name: 'EC2 permissions', status: 'ok', detail: expect.stringMatching(/^\d\d dry runs were allowed$/) as string },
    ]);
    expect(aws.leftovers()).toEqual([]);
  });

  it('names those that are missing', async () => {
    aws.denied.add('CreateImage').add('CopyImage').add('DescribeSubnets');
    const findings = await ec2.doctor(
      fakeOptions(aws, { ami: { regions: ['us-east-1'] } }),
      MACHINE,
      new AbortController().signal,
    );
    expect(findings[1]).toMatchObject({
      status: 'missing',
      detail: 'not allowed: ec2:DescribeSubnets, ec2:CreateImage, ec2:CopyImage',
    });
  });

  it('says when the API cannot be reached', async () => {
    const findings = await ec2.doctor(
      fakeOptions(aws, { endpoint: 'http://127.0.0.1:1' }),
      MACHINE,
      new AbortController().signal,
    );
    expect(findings).toMatchObject([{ status: 'missing', detail: expect.stringContaining('ECONNREFUSED') as string }]);
  }, 60_000);
});

describe('bases', () => {
  const find = async (ami: AmiSelector, context: TestContext, given = {}) =>
    images.findBase({ kind: 'ami', ami }, MACHINE, fakeOptions(aws, given), context);

  it('are found by id, as the newest of a name, and by SSM parameter', async () => {
    await using context = await testContext();
    const older = aws.addImage({ name: 'debian-13-amd64-20260101', created: '2026-01-01T00:00:00.000Z' });
    const newer = aws.addImage({ name: 'debian-13-amd64-20260201', created: '2026-02-01T00:00:00.000Z' });
    aws.addImage({ name: 'debian-13-amd64-20260301', created: '2026-03-01T00:00:00.000Z', architecture: 'arm64' });
    expect((await find({ id: older }, context)).id).toBe(older);
    expect(await find({ owner: '136693071363', name: 'debian-13-amd64-*' }, context)).toMatchObject({
      id: newer,
      facts: { name: 'debian-13-amd64-20260201', owner: '136693071363', rootDevice: '/dev/xvda' },
    });
    aws
      .region()
      .parameters.set('/plain', older)
      .set('/eks', JSON.stringify({ image_id: newer }))
      .set('/odd', 'nothing');
    expect((await find({ ssmParameter: '/plain' }, context)).id).toBe(older);
    expect((await find({ ssmParameter: '/eks' }, context)).id).toBe(newer);
    await expect(find({ ssmParameter: '/odd' }, context)).rejects.toMatchObject({
      code: 'KIB_BASE_MISSING',
      message: expect.stringContaining('names no AMI') as string,
    });
    await expect(find({ ssmParameter: '/none' }, context)).rejects.toMatchObject({ code: 'KIB_BASE_MISSING' });
    await expect(find({ id: 'ami-0000000000dead' }, context)).rejects.toMatchObject({ code: 'KIB_BASE_MISSING' });
    await expect(find({ owner: '136693071363', name: 'gentoo-*' }, context)).rejects.toMatchObject({ code: 'KIB_BASE_MISSING' });
  });

  it('must fit the machine', async () => {
    await using context = await testContext();
    const refused = [
      [{ architecture: 'arm64' }, 'is for arm64, the image for x86_64'],
      [{ gib: 30 }, 'larger than the disk of 10.0 GiB'],
    ] as const;
    for (const [given, message] of refused) {
      const id = aws.addImage({ name: 'odd', ...given });
      await expect(find({ id }, context)).rejects.toMatchObject({
        code: 'KIB_DRIVER_CANNOT',
        message: expect.stringContaining(message) as string,
      });
    }
  });

  it('of the Marketplace are warned of, and no way to a public AMI', async () => {
    await using context = await testContext();
    const id = aws.addImage({ name: 'marketplace', productCodes: ['aw0evgkw8e5c1q413zgy5pjce'] });
    expect((await find({ id }, context)).id).toBe(id);
    expect(context.events).toContainEqual(expect.objectContaining({ type: 'warning', code: 'KIB_EC2_PRODUCT_CODE' }));
    await expect(find({ id }, context, { ami: { public: true } })).rejects.toMatchObject({ code: 'KIB_DRIVER_CANNOT' });
  });
});
