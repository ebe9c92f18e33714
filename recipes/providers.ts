import { z } from 'zod';
import { defineRecipe, type RecipeContext } from '../src/core/index.ts';
import { awsActions, awsChecks, awsIssues, awsPackages, awsSchema, awsSeal } from './providers/aws.ts';
import { type CloudInitSettings, cloudInitActions, cloudInitChecks } from './providers/cloud-init.ts';
import { gcpChecks, gcpIssues, gcpPackages, gcpPrepare, gcpRepositories, gcpSchema } from './providers/gcp.ts';
import { initramfsActions, initramfsCheck } from './providers/initramfs.ts';
import { kubevirtNetwork } from './providers/network.ts';
import { TARGETS, type Target, targetsOf } from './providers/targets.ts';
import { timeActions, timeChecks } from './providers/time.ts';
import { vmwareActions, vmwareChecks, vmwarePackages, vmwareSeal } from './providers/vmware.ts';

const params = z.strictObject({
  targets: z
    .array(z.enum(TARGETS))
    .min(1)
    .optional()
    .describe('Where the image is to run; default: on the driver that builds it and what its formats are for'),
  drivers: z.boolean().default(true).describe('Whether the initial RAM disk gets the drivers of those machines'),
  dhcpNtp: z.boolean().default(true).describe('Whether chrony asks the time servers that DHCP names too'),
  outputTimestamps: z
    .boolean()
    .default(false)
    .describe('Whether lines in cloud-init-output.log, and of cloud-init on the console, begin with the time'),
  ignoreUserDataFailure: z
    .boolean()
    .optional()
    .describe('Whether cloud-init goes on when a part of user data cannot be read; default: for target aws'),
  aws: awsSchema.prefault({}).describe('For target aws'),
  gcp: gcpSchema.prefault({}).describe('For target gcp'),
});

type Params = z.output<typeof params>;

/** What the machines need that the image is to run on. One image may serve several. */
export const providers = defineRecipe({
  name: 'providers',
  summary: 'drivers, guest tools and data sources of the hypervisors and clouds the image is for',
  params,
  after: ['node'],
  validate: (context, params) => [
    ...(has('aws', context, params) ? awsIssues(context, params.aws) : []),
    ...(has('gcp', context, params) ? gcpIssues(context, params.gcp) : []),
  ],
  prepare: (context, params) => (has('gcp', context, params) ? gcpPrepare(context) : []),
  repositories: (context, params) => (has('gcp', context, params) ? gcpRepositories(context, params.gcp) : []),
  packages: (context, params) => [
    ...(has('vmware', context, params) ? vmwarePackages(context) : []),
    ...(has('aws', context, params) ? awsPackages(context, params.aws) : []),
    ...(has('gcp', context, params) ? gcpPackages(context) : []),
  ],
  steps: (context, params) => [
    ...(params.drivers ? initramfsActions(context, chosen(context, params)) : []),
    ...(params.dhcpNtp ? timeActions(context) : []),
    ...(has('kubevirt', context, params) ? [kubevirtNetwork(context)] : []),
    ...(has('vmware', context, params) ? vmwareActions(context) : []),
    ...(has('aws', context, params) ? awsActions(context, params.aws) : []),
    ...(context.recipes.includes('cloud-init')
      ? cloudInitActions(context, chosen(context, params), cloudInitSettings(context, params))
      : []),
  ],
  seal: (context, params) => [
    ...(has('vmware', context, params) ? vmwareSeal : []),
    ...(has('aws', context, params) ? awsSeal(context, params.aws) : []),
  ],
  checks: (context, params) => [
    ...(params.drivers ? [initramfsCheck(context, chosen(context, params))] : []),
    ...(params.dhcpNtp ? timeChecks(context) : []),
    ...(has('vmware', context, params) ? vmwareChecks(context) : []),
    ...(has('aws', context, params) ? awsChecks(context, params.aws) : []),
    ...(has('gcp', context, params) ? gcpChecks(context) : []),
    ...(context.recipes.includes('cloud-init')
      ? cloudInitChecks(context, chosen(context, params), cloudInitSettings(context, params))
      : []),
  ],
});

function chosen(context: RecipeContext, { targets }: Params): readonly Target[] {
  return targets ?? targetsOf(context);
}

function has(target: Target, context: RecipeContext, params: Params): boolean {
  return chosen(context, params).includes(target);
}

function cloudInitSettings(context: RecipeContext, params: Params): CloudInitSettings {
  return {
    timestamps: params.outputTimestamps,
    ignoresUserDataFailure: params.ignoreUserDataFailure ?? has('aws', context, params),
  };
}
