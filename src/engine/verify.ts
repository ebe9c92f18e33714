import {
  type Artifact,
  BUILD_USER,
  type BuildPlan,
  type Check,
  type CheckResult,
  type Context,
  type Format,
  GiB,
  type LaunchRequest,
  type RemoteImage,
  sh,
  withScope,
} from '../core/index.ts';
import type { ResolvedImage } from '../plan/resolved.ts';
import { waitForGuest } from './boot-wait.ts';
import { runChecks } from './checks.ts';
import { compareArtifacts } from './compare.ts';
import { inspectDisk } from './inspect/index.ts';
import { makeLogin } from './login.ts';

/** How much larger the verdict's disk is, to see that the root file system grows on first boot. */
const GROWTH_BYTES = 4 * GiB;

/**
 * Judges what was made, not the machine it came from. Files: reads the disk for what must not ship, proves that all formats hold the
 * same disk, then boots one of them on a throw-away overlay with a fresh seed and a larger disk. Images of the hypervisor are booted. Never throws for a failed check.
 */
export async function verifyArtifacts(
  plan: BuildPlan,
  artifacts: readonly Artifact[],
  images: readonly RemoteImage[],
  image: Pick<ResolvedImage, 'driver' | 'driverOptions'>,
  context: Context,
): Promise<readonly CheckResult[]> {
  return [...(await verifyFiles(plan, artifacts, image, context)), ...(await verifyImages(plan, images, image, context))];
}

/** Copies of an image are the hypervisor's own work, so the first of each format stands for them. */
async function verifyImages(
  plan: BuildPlan,
  images: readonly RemoteImage[],
  image: Pick<ResolvedImage, 'driver' | 'driverOptions'>,
  context: Context,
): Promise<readonly CheckResult[]> {
  const results: CheckResult[] = [];
  for (const format of new Set(images.map((made) => made.format))) {
    const first = images.find((made) => made.format === format);
    const base = first === undefined ? undefined : image.driver.images?.baseOf(first, image.driverOptions);
    if (base === undefined) continue;
    const checks = await bootAndCheck(plan, { format, base }, image, context);
    results.push(...checks.map((check) => ({ ...check, name: `${format}/${check.name}` })));
  }
  return results;
}

async function verifyFiles(
  plan: BuildPlan,
  artifacts: readonly Artifact[],
  image: Pick<ResolvedImage, 'driver' | 'driverOptions'>,
  context: Context,
): Promise<readonly CheckResult[]> {
  const booted = artifacts.find((artifact) => artifact.format === 'qcow2') ?? artifacts[0];
  if (booted === undefined) return [];
  const others = artifacts.filter((artifact) => artifact !== booted);
  const inspected = await context.span.run('verify', 'read the finished disk', (span) =>
    inspectDisk(booted, { builder: BUILD_USER, ships: plan.ships ?? [] }, { ...context, span }),
  );
  const same =
    others.length === 0
      ? []
      : await context.span.run('verify', 'compare the formats', (span) => compareArtifacts(booted, others, { ...context, span }));
  return [
    ...inspected,
    ...same,
    ...(await bootAndCheck(
      plan,
      { format: booted.format, base: { path: booted.path, ...booted.disk, isThrowaway: true } },
      image,
      context,
    )),
  ];
}

async function bootAndCheck(
  plan: BuildPlan,
  finished: { readonly format: Format; readonly base: LaunchRequest['base'] },
  { driver, driverOptions }: Pick<ResolvedImage, 'driver' | 'driverOptions'>,
  context: Context,
): Promise<readonly CheckResult[]> {
  const login = makeLogin({ instanceId: `kib-verify-${context.buildId}`, hostname: 'kib-verify', minimal: false });
  const machineSpec = { ...plan.machine, diskBytes: plan.machine.diskBytes + GROWTH_BYTES };
  const request: LaunchRequest = {
    name: `${plan.name}-verify`,
    machine: machineSpec,
    base: finished.base,
    seed: login.seed,
  };
  // A scope of its own: the machine is thrown away before the files are published.
  return withScope(async (scope) => {
    const guest = await context.span.run('verify', `boot the finished ${finished.format}`, async (span) => {
      const machine = scope.use('machine', await driver.launch(request, driverOptions, { ...context, scope, span }));
      return scope.use('SSH connection', await waitForGuest(machine, login.credentials, { ...context, span }));
    });
    return context.span.run('verify', 'check the booted image', (span) =>
      runChecks(guest, [...plan.checks, grownDisk(machineSpec.diskBytes)], { when: 'boot', span, signal: context.signal }),
    );
  });
}

/** The root file system takes at least nine tenths of the enlarged disk; boot partitions and metadata take the rest. */
function grownDisk(diskBytes: number): Check {
  return {
    name: 'disk/grown',
    title: 'the root file system grew to the larger disk',
    script: sh`
      size=$(df --block-size=1 --output=size / | tail -n 1)
      echo "$size bytes of ${diskBytes}"
      test "$size" -gt ${Math.floor(diskBytes * 0.9)}
    `,
    expect: { kind: 'success' },
    when: ['boot'],
  };
}
