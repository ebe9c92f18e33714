import type { Artifact, BaseImage, BuildPlan, Context, RunningMachine, SealedDisk } from '../core/index.ts';
import { fetchBase } from './base/index.ts';
import { waitForGuest } from './boot-wait.ts';
import { requireChecks, runChecks } from './checks.ts';
import { executeActions } from './execute.ts';
import { exportAll } from './export-all.ts';
import { withFailureMode } from './failure-mode.ts';
import type { Guest } from './guest.ts';
import { listPackages } from './guest-packages.ts';
import type { BuildJournal } from './journal.ts';
import { type Login, makeLogin } from './login.ts';
import { recordManifest } from './manifest.ts';
import { makeOutputDir } from './output-dir.ts';
import type { Phase } from './phases.ts';
import { imageProperties } from './properties.ts';
import type { BuildRequest, BuildResult } from './request.ts';
import { fetchRequirements } from './requirements.ts';
import { resolvePlan } from './resolve-plan.ts';
import { verifyArtifacts } from './verify.ts';

/** What the flow knows of its own run: the ledger, to mark a kept machine, and the time each phase took so far. */
export interface BuildSession {
  readonly journal: BuildJournal;
  phases(): readonly Phase[];
}

export type BuildOutcome = Omit<BuildResult, 'phases' | 'ms'>;

/** How long a guest may take to power off, multiplied by the machine's slowness. */
const SHUTDOWN_GRACE_MS = 30_000;

/** Resolves without DNS in every base, so that sudo does not wait for a lookup. */
const BUILD_HOSTNAME = 'localhost';

/**
 * One build, from wish to proven files. The context's scope owns everything made on the way; what stays is the output folder,
 * which appears complete and verified, or not at all.
 */
export async function runBuild(request: BuildRequest, session: BuildSession, context: Context): Promise<BuildOutcome> {
  const { plan, tools } = await resolvePlan(request, context);
  const base = await fetchBase(plan.base, plan.machine.arch, context);
  const files = await fetchRequirements(plan.requirements, context);
  const login = makeLogin({ instanceId: `kib-${context.buildId}`, hostname: BUILD_HOSTNAME, minimal: true });
  const machine = await launch(request, plan, base, login, context);
  const { packages, disk } = await withFailureMode(
    { request, machine, login, journal: session.journal },
    context,
    async (context) => {
      const guest = await boot(machine, login, context);
      await provision(plan, guest, files, context);
      const packages = await listPackages(guest, plan.os.packageManager, context.signal);
      return { packages, disk: await seal(plan, guest, machine, context) };
    },
  );
  const output = await makeOutputDir(request.outputDir, plan.name, request.force, context);
  const properties = imageProperties(plan, packages, context.clock.now());
  const artifacts = await exportAll(request.image.exporters, disk, { ...plan, properties }, output.staging, context);
  const checks = request.verify ? await verifyArtifacts(plan, artifacts, request.image, context) : [];
  const facts = { request, plan, tools, base, properties, packages, artifacts, checks, phases: session.phases() };
  await recordManifest(facts, output.staging, context);
  requireChecks(checks, 'the finished image', 'with --no-verify its files are kept, to look at them');
  await output.publish();
  return {
    id: context.buildId,
    name: plan.name,
    outputDir: output.final,
    artifacts: artifacts.map((artifact): Artifact => ({ ...artifact, path: output.finalPath(artifact.path) })),
    checks,
    isVerified: request.verify,
    isUnchanged: false,
    logs: context.dirs.logs,
  };
}

async function launch(
  request: BuildRequest,
  plan: BuildPlan,
  base: BaseImage,
  login: Login,
  context: Context,
): Promise<RunningMachine> {
  const { driver, driverOptions } = request.image;
  const machine = await context.span.run('boot', `start ${driver.name}`, (span) =>
    driver.launch({ name: plan.name, machine: plan.machine, base, seed: login.seed }, driverOptions, { ...context, span }),
  );
  return context.scope.use(`machine ${machine.id}`, machine);
}

async function boot(machine: RunningMachine, login: Login, context: Context): Promise<Guest> {
  const guest = await context.span.run('boot', 'wait for the guest', (span) =>
    waitForGuest(machine, login.credentials, { ...context, span }),
  );
  return context.scope.use('SSH connection', guest);
}

async function provision(plan: BuildPlan, guest: Guest, files: ReadonlyMap<string, string>, context: Context): Promise<void> {
  for (const layer of plan.layers.filter((layer) => layer.actions.length > 0)) {
    await context.span.run('layer', layer.name, (span) =>
      executeActions(guest, layer.actions, { files, context: { ...context, span } }),
    );
  }
  const results = await context.span.run('check', 'check the guest', (span) =>
    runChecks(guest, plan.checks, { when: 'build', span, signal: context.signal }),
  );
  requireChecks(results, 'the provisioned guest', 'with --on-error keep its machine is kept: kib-native ssh <build>');
}

async function seal(plan: BuildPlan, guest: Guest, machine: RunningMachine, context: Context): Promise<SealedDisk> {
  return context.span.run('seal', 'seal and power off', async (span) => {
    await executeActions(guest, plan.seal, { files: new Map(), context: { ...context, span } });
    span.note('powering off');
    await guest[Symbol.asyncDispose]();
    const stopped = await machine.shutdown({ graceMs: SHUTDOWN_GRACE_MS * machine.slowness, signal: context.signal });
    return stopped.seal();
  });
}
