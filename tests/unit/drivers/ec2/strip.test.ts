import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { copyDisk } from '../../../../drivers/ec2/copy-disk.ts';
import { stripProductCode } from '../../../../drivers/ec2/strip.ts';
import { previewStrip } from '../../../../drivers/ec2/strip-preview.ts';
import { forgetMachine } from '../../../../recipes/seal.ts';
import { run } from '../../../../src/io/process.ts';
import { ACCOUNT, FakeAws } from '../../../support/ec2/fake.ts';
import { fakeOptions, useFakeCredentials } from '../../../support/ec2/rig.ts';
import type { FakeImage } from '../../../support/ec2/state.ts';
import { heardTools } from '../../../support/ec2/strip.ts';
import { text } from '../../../support/ec2/wire.ts';
import { testContext } from '../../../support/test-context.ts';

useFakeCredentials();

const CODE = 'aw0evgkw8e5c1q413zgy5pjce';

let aws: FakeAws;
beforeEach(async () => {
  aws = await FakeAws.start({ settleMs: 10, lagMs: 20 });
});
afterEach(() => aws[Symbol.asyncDispose]());

const marketplace = (given: Partial<FakeImage> = {}) => aws.addImage({ name: 'product 9 {a}', productCodes: [CODE], ...given });
const ours = (region = 'eu-central-1') => [...aws.region(region).images.values()].filter(({ owner }) => owner === ACCOUNT);

describe('stripping a product code', () => {
  it('makes an AMI with the same attributes, and leaves nothing else', async () => {
    const ami = marketplace({ gib: 12, bootMode: 'uefi', tpm: 'v2.0', imds: 'v2.0', rootDevice: '/dev/sda1', ena: false });
    await using context = await testContext();
    const tools = heardTools();
    const options = fakeOptions(aws, { tags: { team: 'nodes' }, ami: { regions: ['us-east-1'] } });
    const images = await stripProductCode({ ami, options }, tools, context);
    await context.scope[Symbol.asyncDispose]();
    expect(images.map(({ location }) => location)).toEqual(['eu-central-1', 'us-east-1']);
    const [made] = ours();
    expect(made).toMatchObject({
      id: images[0]?.id,
      architecture: 'x86_64',
      bootMode: 'uefi',
      tpm: 'v2.0',
      imds: 'v2.0',
      rootDevice: '/dev/sda1',
      ena: false,
      gib: 12,
      productCodes: [],
      tags: { team: 'nodes' },
    });
    expect(made?.name).toMatch(/^product 9 -a--\d{8}T\d{6}Z$/);
    expect(Object.keys(made?.tags ?? {})).not.toContain('kib-native:expires');
    expect(ours('us-east-1')[0]?.productCodes).toEqual([]);
    // Both AMIs with their snapshots.
    expect(aws.leftovers()).toHaveLength(4);
    expect(context.journal.held).toEqual([]);
    expect(tools.isOpen()).toBe(false);
    expect(tools.scripts).toHaveLength(1);
    expect(JSON.stringify(context.events)).not.toContain('PRIVATE KEY');
  });

  it('starts the AMI itself with an empty volume of the same size, and copies to that one', async () => {
    const ami = marketplace({ gib: 12 });
    await using context = await testContext();
    const tools = heardTools();
    await stripProductCode({ ami, options: fakeOptions(aws) }, tools, context);
    const { params } = aws.calls.find(({ action }) => action === 'RunInstances') ?? {};
    expect(params).toMatchObject({
      ImageId: ami,
      BlockDeviceMapping: [
        { DeviceName: '/dev/xvda', Ebs: { VolumeSize: '12' } },
        { DeviceName: '/dev/sdf', Ebs: { VolumeSize: '12', DeleteOnTermination: 'true' } },
      ],
    });
    const volume = text(aws.calls.find(({ action }) => action === 'CreateSnapshot')?.params, 'VolumeId') ?? '';
    const [script = ''] = tools.scripts;
    expect(script).toContain(`= ${volume.replace('-', '')} ]`);
    // Found first, then forgotten, then frozen and copied.
    const order = [
      'command -v',
      'is not empty',
      'rm -f /etc/ssh/ssh_host_*',
      'fsfreeze --freeze',
      'dd if=',
      'cmp "$source" "$target"',
    ];
    expect(order.map((text) => script.indexOf(text))).toEqual(
      order.map((text) => script.indexOf(text)).toSorted((a, b) => a - b),
    );
    const actions = aws.calls.map(({ action }) => action);
    expect(actions.indexOf('StopInstances')).toBeLessThan(actions.indexOf('CreateSnapshot'));
  });

  it('is a script that shells take, with what the seal recipe has for it', async () => {
    const { text } = copyDisk({ volumeId: 'vol-0123456789abcdef0', device: '/dev/sdf', before: forgetMachine });
    expect(forgetMachine.length).toBeGreaterThan(3);
    for (const shell of ['sh', 'bash']) {
      const { stderr } = await run(shell, ['-n'], { input: text, signal: new AbortController().signal });
      expect(stderr).toBe('');
    }
  });

  it('would have kept the code with a snapshot of the root volume: the fake passes codes on as EC2 does', async () => {
    const ami = marketplace();
    await using context = await testContext();
    // Whatever the helper is told to copy to, its own root volume is what is made an AMI of.
    const options = fakeOptions(aws);
    aws.onCall = (action) => {
      if (action !== 'CreateSnapshot') return;
      for (const volume of aws.region().volumes.values()) Object.assign(volume, { productCodes: [CODE] });
    };
    await expect(stripProductCode({ ami, options }, heardTools(), context)).rejects.toMatchObject({
      code: 'KIB_EC2_IMAGE',
      message: expect.stringContaining(`has the product code ${CODE} all the same`) as string,
    });
    await context.scope[Symbol.asyncDispose]();
    expect(aws.leftovers()).toEqual([]);
  });

  it.each([
    ['no product code', { productCodes: [] }, 'KIB_DRIVER_CANNOT', 'has no product code'],
    ['a price of EC2’s own', { usage: 'RunInstances:0010' }, 'KIB_DRIVER_CANNOT', 'is billed by EC2 as Red Hat Enterprise Linux'],
    ['an architecture that is not built', { architecture: 'i386' }, 'KIB_DRIVER_CANNOT', 'is for i386'],
  ] as const)('refuses an AMI with %s before anything is made', async (_what, given, code, message) => {
    const ami = marketplace(given);
    await using context = await testContext();
    await expect(stripProductCode({ ami, options: fakeOptions(aws) }, heardTools(), context)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message) as string,
    });
    expect(aws.calls.map(({ action }) => action)).toEqual(['DescribeImages']);
  });

  it.each([
    ['the copy does not get to its end', heardTools('half'), () => {}, 'KIB_ACTION_FAILED'],
    [
      'the account is not subscribed',
      heardTools(),
      () => aws.faults.push({ action: 'RunInstances', code: 'OptInRequired', times: 1 }),
      'KIB_EC2_CREDENTIALS',
    ],
    ['the snapshot is refused', heardTools(), () => aws.denied.add('CreateSnapshot'), 'KIB_EC2_UNAUTHORIZED'],
    ['the AMI is refused', heardTools(), () => aws.denied.add('RegisterImage'), 'KIB_EC2_UNAUTHORIZED'],
    ['the AMI fails', heardTools(), () => aws.failingImages.set('eu-central-1', 'disk on fire'), 'KIB_EC2_IMAGE'],
  ] as const)('leaves nothing when %s', async (_what, tools, prepare, code) => {
    const ami = marketplace();
    prepare();
    await using context = await testContext();
    await expect(stripProductCode({ ami, options: fakeOptions(aws) }, tools, context)).rejects.toMatchObject({ code });
    await context.scope[Symbol.asyncDispose]();
    expect(aws.leftovers()).toEqual([]);
    expect(context.journal.held).toEqual([]);
    expect(tools.isOpen()).toBe(false);
  });

  it('previews every call that it makes, and makes none of them', async () => {
    const ami = marketplace({ gib: 12, bootMode: 'uefi' });
    await using context = await testContext();
    const request = { ami, options: fakeOptions(aws) };
    const lines = await previewStrip(request, context);
    expect(aws.calls.map(({ action }) => action)).toEqual(['DescribeImages']);
    expect(aws.leftovers()).toEqual([]);
    const named = lines.flatMap(({ argv }) => /^ec2:(.*)/.exec(argv[0] ?? '')?.[1] ?? []);
    await stripProductCode(request, heardTools(), context);
    await context.scope[Symbol.asyncDispose]();
    const changing = [...new Set(aws.calls.map(({ action }) => action))].filter(
      (action) => !/^(Describe|Get|Delete|Modify)/.test(action),
    );
    expect(named).toEqual(changing);
    expect(lines.find(({ argv }) => argv[0] === 'ec2:RunInstances')?.argv[1]).toContain(
      '"DeviceName":"/dev/sdf","Ebs":{"VolumeSize":12',
    );
  });
});
