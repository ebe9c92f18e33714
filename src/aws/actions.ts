import type * as ec2 from '@aws-sdk/client-ec2';

/** Every call of EC2 that is made, with what it takes and gives. Nothing else may be needed: the list of permissions is these names. */
export interface Ec2Actions {
  AuthorizeSecurityGroupIngress: [ec2.AuthorizeSecurityGroupIngressCommandInput, ec2.AuthorizeSecurityGroupIngressCommandOutput];
  CancelSpotInstanceRequests: [ec2.CancelSpotInstanceRequestsCommandInput, ec2.CancelSpotInstanceRequestsCommandOutput];
  CopyImage: [ec2.CopyImageCommandInput, ec2.CopyImageCommandOutput];
  CreateImage: [ec2.CreateImageCommandInput, ec2.CreateImageCommandOutput];
  CreateSecurityGroup: [ec2.CreateSecurityGroupCommandInput, ec2.CreateSecurityGroupCommandOutput];
  CreateSnapshot: [ec2.CreateSnapshotCommandInput, ec2.CreateSnapshotCommandOutput];
  DeleteSecurityGroup: [ec2.DeleteSecurityGroupCommandInput, ec2.DeleteSecurityGroupCommandOutput];
  DeleteSnapshot: [ec2.DeleteSnapshotCommandInput, ec2.DeleteSnapshotCommandOutput];
  DeleteTags: [ec2.DeleteTagsCommandInput, ec2.DeleteTagsCommandOutput];
  DeregisterImage: [ec2.DeregisterImageCommandInput, ec2.DeregisterImageCommandOutput];
  DescribeImages: [ec2.DescribeImagesCommandInput, ec2.DescribeImagesCommandOutput];
  DescribeInstances: [ec2.DescribeInstancesCommandInput, ec2.DescribeInstancesCommandOutput];
  DescribeRegions: [ec2.DescribeRegionsCommandInput, ec2.DescribeRegionsCommandOutput];
  DescribeSecurityGroups: [ec2.DescribeSecurityGroupsCommandInput, ec2.DescribeSecurityGroupsCommandOutput];
  DescribeSnapshots: [ec2.DescribeSnapshotsCommandInput, ec2.DescribeSnapshotsCommandOutput];
  DescribeSpotInstanceRequests: [ec2.DescribeSpotInstanceRequestsCommandInput, ec2.DescribeSpotInstanceRequestsCommandOutput];
  DescribeSubnets: [ec2.DescribeSubnetsCommandInput, ec2.DescribeSubnetsCommandOutput];
  DescribeVpcs: [ec2.DescribeVpcsCommandInput, ec2.DescribeVpcsCommandOutput];
  DisableImageDeregistrationProtection: [
    ec2.DisableImageDeregistrationProtectionCommandInput,
    ec2.DisableImageDeregistrationProtectionCommandOutput,
  ];
  EnableImageDeprecation: [ec2.EnableImageDeprecationCommandInput, ec2.EnableImageDeprecationCommandOutput];
  EnableImageDeregistrationProtection: [
    ec2.EnableImageDeregistrationProtectionCommandInput,
    ec2.EnableImageDeregistrationProtectionCommandOutput,
  ];
  GetConsoleOutput: [ec2.GetConsoleOutputCommandInput, ec2.GetConsoleOutputCommandOutput];
  GetImageBlockPublicAccessState: [
    ec2.GetImageBlockPublicAccessStateCommandInput,
    ec2.GetImageBlockPublicAccessStateCommandOutput,
  ];
  ModifyImageAttribute: [ec2.ModifyImageAttributeCommandInput, ec2.ModifyImageAttributeCommandOutput];
  ModifySnapshotAttribute: [ec2.ModifySnapshotAttributeCommandInput, ec2.ModifySnapshotAttributeCommandOutput];
  RegisterImage: [ec2.RegisterImageCommandInput, ec2.RegisterImageCommandOutput];
  RunInstances: [ec2.RunInstancesCommandInput, ec2.RunInstancesCommandOutput];
  StopInstances: [ec2.StopInstancesCommandInput, ec2.StopInstancesCommandOutput];
  TerminateInstances: [ec2.TerminateInstancesCommandInput, ec2.TerminateInstancesCommandOutput];
}

export type Ec2Action = keyof Ec2Actions;
export type Ec2Input<A extends Ec2Action> = Ec2Actions[A][0];
export type Ec2Output<A extends Ec2Action> = Ec2Actions[A][1];
