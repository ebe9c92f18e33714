import { commas, count, flag, gibibytes, isTrue } from './convert.ts';
import { means, NOTHING, none, noneOf, onDriver, type PackerName, type PackerNames, to } from './name.ts';

const CREDENTIALS = 'credentials are read where the AWS tools read them: AWS_ACCESS_KEY_ID …, AWS_PROFILE, the machine’s role';

/** packer/ami. */
export const AMAZON_NAMES: PackerNames = {
  aws_region: ec2('driver.region'),
  aws_profile: none('credentials are read where the AWS tools read them: set AWS_PROFILE'),
  ...noneOf(['aws_access_key', 'aws_secret_key', 'aws_session_token'], CREDENTIALS),
  builder_instance_type: ec2('driver.instanceType'),
  subnet_id: ec2('driver.subnets', commas),
  vpc_id: ec2('driver.vpc'),
  aws_security_group_ids: ec2('driver.securityGroups', commas),
  temporary_security_group_source_cidrs: ec2('driver.allowFrom', commas),
  iam_instance_profile: ec2('driver.instanceProfile'),
  source_ami: base((value) => ({ base: { ami: value } })),
  ami_filter_name: base((value, { other }) => ({
    base: { ami: { owner: commas(other('ami_filter_owners') ?? 'amazon')[0] ?? 'amazon', name: value } },
  })),
  ami_filter_owners: means('with ami_filter_name', ['base'], (value, { other }) =>
    commas(value).length > 1 && other('ami_filter_name') !== undefined
      ? { wrong: `must be one owner, got ${commas(value).join(', ')}` }
      : NOTHING,
  ),
  ami_filter_arch: to('arch', (value) => ({ x86_64: 'amd64', arm64: 'arm64' })[value]),
  arch: to('arch', (value) => ({ amd64: 'amd64', arm64: 'arm64' })[value]),
  ami_regions: ec2('driver.ami.regions', (value) => (value === 'all' ? 'all' : commas(value))),
  ami_groups: onDriver(
    'ec2',
    means('all: everybody may start it', ['driver.ami.public'], (value) =>
      commas(value).includes('all') ? { set: { 'driver.ami.public': true } } : NOTHING,
    ),
  ),
  ami_users: ec2('driver.ami.shareWith.accounts', commas),
  snapshot_groups: none('the snapshots of an image that everybody may start stay private', ['all']),
  snapshot_users: onDriver(
    'ec2',
    means('its accounts are those of ami_users', ['driver.ami.shareSnapshots'], () => ({
      set: { 'driver.ami.shareSnapshots': true },
    })),
  ),
  ami_description: ec2('driver.ami.description'),
  image_name: ec2('driver.ami.name'),
  encrypted: onDriver(
    'ec2',
    means('encrypted volumes', ['driver.volume.encrypted'], (value) =>
      isTrue(value) ? { set: { 'driver.volume.encrypted': true } } : NOTHING,
    ),
  ),
  kms_key_id: ec2('driver.volume.kmsKeyId'),
  volume_size: to('disk', gibibytes),
  volume_type: ec2('driver.volume.type'),
  iops: ec2('driver.volume.iops', count),
  throughput: ec2('driver.volume.throughput', count),
  root_device_name: none('is what the base image has', ['/dev/sda1', '/dev/xvda']),
  skip_create_ami: means('try a build without keeping it', [], (value) =>
    flag(value) === true ? { warn: 'use kib-native plan, or remove the image after the build' } : NOTHING,
  ),
  skip_profile_validation: none('profiles are always looked up', ['false']),
  manifest_output: none('every build writes manifest.json beside its image', ['manifest.json']),
  amazon_ssm_agent_rpm: none('the providers recipe installs the agent from a source whose signature it checks'),
};

function ec2(setting: string, convert?: (value: string) => unknown): PackerName {
  return onDriver('ec2', convert === undefined ? to(setting) : to(setting, convert));
}

function base(
  make: (value: string, reading: Parameters<PackerName['read']>[1]) => Readonly<Record<string, unknown>>,
): PackerName {
  return means('image to start from', ['base'], (value, reading) =>
    reading.driver === 'ec2'
      ? { set: make(value, reading) }
      : { warn: `is of the ec2 driver; this image uses ${reading.driver}` },
  );
}
