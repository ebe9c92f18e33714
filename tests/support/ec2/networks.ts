import { ACCOUNT, type FakeAws } from './fake.ts';
import { FakeError } from './fake-error.ts';
import { type Handler, passes, tagSet, tagsFor } from './handlers.ts';
import type { FakeRegion } from './state.ts';
import { list, type Params, text, texts } from './wire.ts';

export const VPC = { id: 'vpc-0a', cidr: '172.31.0.0/16' };
export const SUBNETS = [
  { id: 'subnet-0a', zone: 'a', free: 100, tags: { Name: 'builds' } },
  { id: 'subnet-0b', zone: 'b', free: 200, tags: { Name: 'other' } },
] as const;

export const networkHandlers: Readonly<Record<string, Handler>> = {
  DescribeRegions: ({ aws }) => ({
    regionInfo: [...aws.regions.keys()].map((regionName) => ({
      regionName,
      regionEndpoint: `ec2.${regionName}.amazonaws.com`,
      optInStatus: 'opt-in-not-required',
    })),
  }),
  DescribeVpcs: ({ params }) => {
    const ids = texts(params, 'VpcId');
    const unknown = ids.find((id) => id !== VPC.id);
    if (unknown !== undefined) throw new FakeError('InvalidVpcID.NotFound', `The vpc ID '${unknown}' does not exist`);
    return {
      vpcSet: passes(params, {}, { 'is-default': 'true' })
        ? [
            {
              vpcId: VPC.id,
              state: 'available',
              cidrBlock: VPC.cidr,
              isDefault: true,
              cidrBlockAssociationSet: [
                { associationId: 'vpc-cidr-assoc-0a', cidrBlock: VPC.cidr, cidrBlockState: { state: 'associated' } },
              ],
            },
          ]
        : [],
    };
  },
  DescribeSubnets: ({ region, params }) => {
    const ids = texts(params, 'SubnetId');
    const unknown = ids.find((id) => !SUBNETS.some((subnet) => subnet.id === id));
    if (unknown !== undefined) throw new FakeError('InvalidSubnetID.NotFound', `The subnet ID '${unknown}' does not exist`);
    const found = SUBNETS.filter(
      (subnet) =>
        (ids.length === 0 || ids.includes(subnet.id)) &&
        passes(params, subnet.tags, { 'vpc-id': VPC.id, state: 'available', 'default-for-az': 'true' }),
    );
    return {
      subnetSet: found.map(({ id, zone, free, tags }) => ({
        subnetId: id,
        state: 'available',
        vpcId: VPC.id,
        availabilityZone: `${region.name}${zone}`,
        availableIpAddressCount: free,
        cidrBlock: '172.31.0.0/20',
        tagSet: tagSet(tags),
      })),
    };
  },
  CreateSecurityGroup: ({ aws, region, params }) => {
    const name = text(params, 'GroupName') ?? '';
    const vpc = text(params, 'VpcId') ?? '';
    if (vpc !== VPC.id) throw new FakeError('InvalidVpcID.NotFound', `The vpc ID '${vpc}' does not exist`);
    if ([...region.groups.values()].some((group) => group.name === name))
      throw new FakeError('InvalidGroup.Duplicate', `The security group '${name}' already exists for VPC '${vpc}'`);
    if (!/^[a-zA-Z0-9 ._\-:/()#,@[\]+=&;{}!$*]{1,255}$/.test(text(params, 'GroupDescription') ?? ''))
      throw new FakeError('InvalidParameterValue', 'Invalid security group description');
    const id = aws.id('sg');
    const tags = tagsFor(params, 'security-group');
    region.groups.set(id, { id, name, vpc, tags, ingress: [], madeAt: aws.now() });
    return { groupId: id, tagSet: tagSet(tags) };
  },
  AuthorizeSecurityGroupIngress: ({ aws, region, params }) => {
    const group = groupOf(aws, region, params);
    const rules = list(params, 'IpPermissions').flatMap((permission) =>
      [...list(permission, 'IpRanges'), ...list(permission, 'Ipv6Ranges')].map((range) => ({
        securityGroupRuleId: aws.id('sgr'),
        groupId: group.id,
        groupOwnerId: ACCOUNT,
        isEgress: false,
        ipProtocol: text(permission, 'IpProtocol'),
        fromPort: text(permission, 'FromPort'),
        toPort: text(permission, 'ToPort'),
        cidrIpv4: text(range, 'CidrIp'),
        cidrIpv6: text(range, 'CidrIpv6'),
      })),
    );
    if (rules.length === 0) throw new FakeError('MissingParameter', 'The request must contain the parameter ipPermissions');
    group.ingress.push(...rules);
    return { return: true, securityGroupRuleSet: rules };
  },
  DescribeSecurityGroups: ({ aws, region, params }) => ({
    securityGroupInfo: [...region.groups.values()]
      .filter((group) => aws.isVisible(group) && passes(params, group.tags, { 'group-name': group.name, 'vpc-id': group.vpc }))
      .map((group) => ({
        ownerId: ACCOUNT,
        groupId: group.id,
        groupName: group.name,
        groupDescription: 'of the fake',
        vpcId: group.vpc,
        tagSet: tagSet(group.tags),
      })),
  }),
  DeleteSecurityGroup: ({ aws, region, params }) => {
    const group = groupOf(aws, region, params);
    const user = [...region.instances.values()].find(({ state, groups }) => state !== 'terminated' && groups.includes(group.id));
    if (user !== undefined) throw new FakeError('DependencyViolation', `resource ${group.id} has a dependent object`);
    region.groups.delete(group.id);
    return { return: true, groupId: group.id };
  },
  DeleteTags: ({ region, params }) => {
    for (const id of texts(params, 'ResourceId')) {
      const thing = region.images.get(id) ?? region.snapshots.get(id) ?? region.instances.get(id) ?? region.volumes.get(id);
      if (thing === undefined) throw new FakeError('InvalidID', `The ID '${id}' is not valid`);
      for (const tag of list(params, 'Tag')) delete thing.tags[text(tag, 'Key') ?? ''];
    }
    return { return: true };
  },
};

function groupOf(aws: FakeAws, region: FakeRegion, params: Params) {
  const id = text(params, 'GroupId') ?? '';
  const group = region.groups.get(id);
  if (group === undefined || !aws.isVisible(group))
    throw new FakeError('InvalidGroup.NotFound', `The security group '${id}' does not exist`);
  return group;
}
