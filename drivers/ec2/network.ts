import type { Subnet } from '@aws-sdk/client-ec2';
import type { Ec2 } from '../../src/aws/api.ts';
import { own } from '../../src/aws/owned.ts';
import { tagged } from '../../src/aws/tags.ts';
import { VISIBLE_MS, waitFor } from '../../src/aws/wait.ts';
import { type Context, errorMessage, KibError, throwIfAborted } from '../../src/core/index.ts';
import { type Ec2Options, pollMs } from './options.ts';

/** Where instances can be started. */
export interface Network {
  readonly vpc: string;
  /** In the order to try them; never empty. */
  readonly subnets: readonly string[];
}

const ASK_MS = 10_000;

/** Finds VPC and subnets. Throws KIB_EC2_NETWORK when there are none. */
export async function findNetwork(ec2: Ec2, options: Ec2Options, signal: AbortSignal): Promise<Network> {
  const found = await findSubnets(ec2, options, signal);
  const [first] = found;
  if (first?.VpcId === undefined) {
    throw new KibError('KIB_EC2_NETWORK', `no subnet in ${ec2.region} fits ${wanted(options)}`, {
      hint: 'set subnets, subnetFilter or vpc of the driver',
    });
  }
  if (options.vpc !== undefined && options.vpc !== first.VpcId) {
    throw new KibError('KIB_EC2_NETWORK', `subnet ${first.SubnetId} is of ${first.VpcId}, not of ${options.vpc}`, {
      hint: 'leave out vpc of the driver, or name subnets of that one',
    });
  }
  const strangers = found.filter(({ VpcId }) => VpcId !== first.VpcId);
  if (strangers.length > 0) {
    throw new KibError('KIB_EC2_NETWORK', `the subnets ${ids(found).join(', ')} are of several VPCs`, {
      hint: 'set vpc of the driver, or name the subnets',
    });
  }
  return { vpc: first.VpcId, subnets: ids(found) };
}

/** The security groups of the instance: the user's, or one that lets SSH in, made for this build. */
export async function securityGroups(
  ec2: Ec2,
  { vpc }: Network,
  options: Ec2Options,
  context: Context,
): Promise<readonly string[]> {
  if (options.securityGroups.length > 0) return options.securityGroups;
  const ranges = await allowedRanges(ec2, vpc, options, context);
  throwIfAborted(context.signal);
  const name = `kib-${context.buildId}`;
  const owned = await own('security-group', ec2, { name, tags: options.tags, pollMs: pollMs(options) }, context);
  throwIfAborted(context.signal);
  const { GroupId = '' } = await ec2.call('CreateSecurityGroup', {
    // Unique in its VPC: two machines of a build may run at once.
    GroupName: `kib-${owned.tagging.resource}`,
    Description: 'SSH to a machine that kib-native builds; removed with it',
    VpcId: vpc,
    TagSpecifications: tagged(['security-group'], owned.tagging),
  });
  owned.known(GroupId);
  throwIfAborted(context.signal);
  const [v4, v6] = [ranges.filter((range) => !range.includes(':')), ranges.filter((range) => range.includes(':'))];
  const rule = {
    IpProtocol: 'tcp',
    FromPort: 22,
    ToPort: 22,
    ...(v4.length === 0 ? {} : { IpRanges: v4.map((CidrIp) => ({ CidrIp })) }),
    ...(v6.length === 0 ? {} : { Ipv6Ranges: v6.map((CidrIpv6) => ({ CidrIpv6 })) }),
  };
  // For a moment EC2 does not find what it has just made.
  const waiting = { timeoutMs: VISIBLE_MS, pollMs: pollMs(options) };
  await waitFor(`security group ${GroupId}`, waiting, context, () =>
    ec2.call('AuthorizeSecurityGroupIngress', { GroupId, IpPermissions: [rule] }),
  );
  throwIfAborted(context.signal);
  return [GroupId];
}

async function findSubnets(ec2: Ec2, options: Ec2Options, signal: AbortSignal): Promise<readonly Subnet[]> {
  if (options.subnets.length > 0) {
    const { Subnets = [] } = await ec2.call('DescribeSubnets', { SubnetIds: options.subnets }, signal);
    return options.subnets.flatMap((id) => Subnets.filter(({ SubnetId }) => SubnetId === id));
  }
  const hasFilter = Object.keys(options.subnetFilter).length > 0;
  const vpc = options.vpc ?? (hasFilter ? undefined : await defaultVpc(ec2, signal));
  if (vpc === undefined && !hasFilter) return [];
  const filters: readonly (readonly [string, string])[] = [
    ...(vpc === undefined ? [] : [['vpc-id', vpc] as const]),
    ...Object.entries(options.subnetFilter),
  ];
  const Filters = [['state', 'available'] as const, ...filters].map(([Name, value]) => ({ Name, Values: [value] }));
  const { Subnets = [] } = await ec2.call('DescribeSubnets', { Filters }, signal);
  return [...Subnets].sort((a, b) => (b.AvailableIpAddressCount ?? 0) - (a.AvailableIpAddressCount ?? 0));
}

async function defaultVpc(ec2: Ec2, signal: AbortSignal): Promise<string | undefined> {
  const { Vpcs: [vpc] = [] } = await ec2.call('DescribeVpcs', { Filters: [{ Name: 'is-default', Values: ['true'] }] }, signal);
  return vpc?.VpcId;
}

async function allowedRanges(ec2: Ec2, vpc: string, options: Ec2Options, context: Context): Promise<readonly string[]> {
  const isInside = options.bastion !== undefined || options.address === 'private';
  if (options.allowFrom === undefined && isInside) return vpcRanges(ec2, vpc, context.signal);
  const ranges: string[] = [];
  for (const range of options.allowFrom ?? ['own' as const]) {
    ranges.push(range === 'own' ? await ownRange(options.ownAddressUrl, context) : range);
  }
  return [...new Set(ranges)];
}

async function vpcRanges(ec2: Ec2, vpc: string, signal: AbortSignal): Promise<readonly string[]> {
  const { Vpcs: [found] = [] } = await ec2.call('DescribeVpcs', { VpcIds: [vpc] }, signal);
  const associated = (found?.CidrBlockAssociationSet ?? []).flatMap(({ CidrBlock }) => CidrBlock ?? []);
  return [...new Set([...(found?.CidrBlock === undefined ? [] : [found.CidrBlock]), ...associated])];
}

/** The address that others see this host with, as a range of one. Throws KIB_EC2_NETWORK. */
async function ownRange(url: string, { signal }: Context): Promise<string> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(ASK_MS)]) });
    const address = (await answer.text()).trim();
    if (answer.ok && /^\d{1,3}(\.\d{1,3}){3}$/.test(address)) return `${address}/32`;
    if (answer.ok && /^[0-9a-f:]{3,39}$/i.test(address)) return `${address}/128`;
    throw new Error(`answered ${answer.status}, no address`);
  } catch (error) {
    throwIfAborted(signal);
    throw new KibError('KIB_EC2_NETWORK', `the address this host is seen with is not known: ${url}: ${errorMessage(error)}`, {
      hint: 'set allowFrom of the driver to the ranges that SSH comes from, or securityGroups',
      cause: error,
    });
  }
}

function ids(subnets: readonly Subnet[]): readonly string[] {
  return subnets.flatMap(({ SubnetId }) => (SubnetId === undefined ? [] : [SubnetId]));
}

function wanted({ subnets, subnetFilter, vpc }: Ec2Options): string {
  if (subnets.length > 0) return subnets.join(', ');
  const filters = Object.entries(subnetFilter).map(([name, value]) => `${name}=${value}`);
  return [...filters, ...(vpc === undefined ? [] : [vpc])].join(', ') || 'the default VPC, which may not exist';
}
