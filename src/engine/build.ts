import {
  type Artifact,
  type BuildPlan,
  type Context,
  type PlannedAction,
  type RunningMachine,
  type SealedDisk,
  type Secret,
  sh,
} from '../core/index.ts';
import type { SecretSources } from '../io/read-secret.ts';
import { planBuild } from '../plan/planner.ts';
import { pauseAt, requirePausable } from './breakpoints.ts';
import { requireChecks } from './checks.ts';
import { findEarlier, reuseEarlier } from './earlier.ts';
import { warnAtEndOfLife } from './end-of-life.ts';
import { type ExecuteOptions, executeActions } from './execute.ts';
import { exportAll } from './export-all.ts';
import { withFailureMode } from './failure-mode.ts';
import { waitForLogin } from './first-login.ts';
import type { Guest } from './guest.ts';
import type { BuildJournal } from './journal.ts';
import { type OpenLayers, openLayers } from './layers/open.ts';
import { pruneAfterBuild } from './layers/prune-after-build.ts';
import { settleDisk } from './layers/settle-disk.ts';
import type { LoginWay } from './login.ts';
import { recordManifest } from './manifest.ts';
import { checkOutputDir, makeOutputDir } from './output-dir.ts';
import type { Phase } from './phases.ts';
import { preflight } from './preflight.ts';
import { imageProperties } from './properties.ts';
import { countActions, provision } from './provision.ts';
import { publishImages } from './publish-images.ts';
import { silence } from './quiet-guest.ts';
import type { BuildRequest, BuildResult } from './request.ts';
import { fetchRequirements } from './requirements.ts';
import { resolvePlan } from './resolve-plan.ts';
import { readSecrets, type SecretValues } from './secrets.ts';
import { settleGuest } from './settle-guest.ts';
import { type StartedMachine, startMachine } from './start-machine.ts';
import { verifyArtifacts } from './verify.ts';

/** What the flow knows of its own run: the ledger, to mark a kept machine, and the time each phase took so far. */
export interface BuildSession {
  readonly journal: BuildJournal;
  hide(secrets: readonly Secret[]): void;
  phases(): readonly Phase[];
}

export type BuildOutcome = Omit<BuildResult, 'phases' | 'ms'>;

/** How long a guest may take to power off, multiplied by the machine's slowness. */
const SHUTDOWN_GRACE_MS = 30_000;

/**
 * One build, from wish to proven files. The context's scope owns everything made on the way; what stays is the output folder,
 * which appears complete and verified, or not at all, and the layers that were made.
 */
export async function runBuild(request: BuildRequest, session: BuildSession, context: Context): Promise<BuildOutcome> {
  const draft = planBuild(request.image);
  warnAtEndOfLife(request.image.os, context);
  requirePausable(draft, request);
  await checkOutputDir(request.outputDir, draft.name, request.force);
  const earlier = await findEarlier(request, draft.name);
  // Before anything is fetched, unless there may be nothing to build: then this host need not be able to.
  const tools = earlier === undefined ? await preflight(request.image, draft, context) : {};
  const secrets = earlier === undefined ? await readSecrets(draft, sourcesOf(request), context) : undefined;
  session.hide(secrets?.all ?? []);
  const { plan, base, repositories, login } = await resolvePlan(request, draft, context);
  if (earlier !== undefined) {
    const outcome = { id: context.buildId, name: plan.name, outputDir: earlier.dir, logs: context.dirs.logs };
    return {
      ...outcome,
      ...(await reuseEarlier(earlier, plan, request, context)),
      isVerified: request.verify,
      isUnchanged: true,
    };
  }
  const files = await fetchRequirements(plan.requirements, context);
  const layers = await openLayers({ request, plan, base, tools, repositoriesSeenMs: repositories?.seenMs }, context);
  context.span.emit({
    type: 'plan',
    layers: plan.layers.map(({ name }) => name),
    actions: countActions(plan, layers),
    checks: plan.checks.length,
  });
  const started = await startMachine(request, plan, base, layers, login, context);
  const { machine } = started;
  const { packages, disk } = await withFailureMode(
    { request, ...started, journal: session.journal },
    context,
    async (context) => {
      const guest = context.scope.use('SSH connection', started.guest ?? (await boot(plan, started, layers, login, context)));
      const pause = pauseAt(request, started, context);
      const packages = await provision({ ...started, plan, guest, layers, files, secrets, pause }, context);
      return { packages, disk: await seal({ plan, guest, machine, files, secrets, pause }, context) };
    },
  );
  const output = await makeOutputDir(request.outputDir, plan.name, request.force, context);
  const properties = imageProperties(plan, packages, context.clock.now());
  const artifacts = await exportAll(request.image.exporters, disk, { ...plan, properties }, output.staging, context);
  const published = await publishImages(request.image, disk, { ...plan, properties }, context);
  const { images } = published;
  const checks = request.verify ? await verifyArtifacts(plan, artifacts, images, request.image, context) : [];
  const facts = { request, plan, tools, base, properties, packages, artifacts, images, checks, phases: session.phases() };
  await recordManifest(facts, output.staging, context);
  requireChecks(checks, 'the finished image', 'with --no-verify its files are kept, to look at them');
  // Sharing an image is the last thing that can be refused; until then nothing is there.
  await published.keep();
  await output.publish();
  await pruneAfterBuild(request, context);
  return {
    id: context.buildId,
    name: plan.name,
    outputDir: output.final,
    artifacts: artifacts.map((artifact): Artifact => ({ ...artifact, path: output.finalPath(artifact.path) })),
    images,
    checks,
    isVerified: request.verify,
    isUnchanged: false,
    logs: context.dirs.logs,
  };
}

/** Waits for a booting guest, silences what would change it by itself, and keeps it as a layer when the base was booted. */
async function boot(
  plan: BuildPlan,
  { machine, credentials }: StartedMachine,
  layers: OpenLayers | undefined,
  login: LoginWay,
  context: Context,
): Promise<Guest> {
  return context.span.run('boot', 'wait for the guest', async (span) => {
    const start = context.clock.now();
    const guest = await waitForLogin(machine, credentials, login, { ...context, span });
    try {
      const settled = login === 'credentials' ? settleGuest(guest, context.signal) : undefined;
      await Promise.all([silence(guest, plan.os, context.signal), settled]);
      if (layers !== undefined && layers.top === undefined) {
        await guest.run(settleDisk(layers.chain), { signal: context.signal });
        await layers.chain.keep({ index: 0, ms: context.clock.now() - start, machine, credentials });
      }
      return guest;
    } catch (error) {
      await guest[Symbol.asyncDispose]();
      throw error;
    }
  });
}

function sourcesOf({ image, env = {} }: BuildRequest): SecretSources {
  return { env, dir: image.dir ?? '.' };
}

interface Sealing {
  readonly plan: BuildPlan;
  readonly guest: Guest;
  readonly machine: RunningMachine;
  readonly files: ReadonlyMap<string, string>;
  readonly secrets: SecretValues | undefined;
  readonly pause: ExecuteOptions['pause'];
}

/** A moment later, so that the script that starts it ends first. */
const powerOff: PlannedAction = {
  kind: 'exec',
  id: 'seal/power-off',
  recipe: 'seal',
  title: 'power off',
  script: sh`setsid sh -c 'sleep 1; systemctl poweroff' </dev/null >/dev/null 2>&1 &`,
  timeoutMs: 60_000,
};

async function seal({ plan, guest, machine, files, secrets, pause }: Sealing, context: Context): Promise<SealedDisk> {
  return context.span.run('seal', 'seal and power off', async (span) => {
    const actions = machine.powerOff === 'guest' ? [...plan.seal, powerOff] : plan.seal;
    await executeActions(guest, actions, { files, secrets, machine, pause, context: { ...context, span } });
    span.note('powering off');
    await guest[Symbol.asyncDispose]();
    const stopped = await machine.shutdown({ graceMs: SHUTDOWN_GRACE_MS * machine.slowness, signal: context.signal });
    return stopped.seal();
  });
}
