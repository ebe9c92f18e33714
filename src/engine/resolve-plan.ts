import { type BuildPlan, type Context } from '../core/index.ts';
import { planBuild } from '../plan/planner.ts';
import { checkOutputDir } from './output-dir.ts';
import { preflight } from './preflight.ts';
import type { BuildRequest } from './request.ts';
import { resolveDigests } from './requirements.ts';

export interface ReadyPlan {
  readonly plan: BuildPlan;
  /** Host programs and what doctor said of them, for the manifest. */
  readonly tools: Readonly<Record<string, string>>;
}

/** Everything that can be known and refused before anything is created: the plan with all digests, on a host that can run it. */
export async function resolvePlan(request: BuildRequest, context: Context): Promise<ReadyPlan> {
  const draft = planBuild(request.image);
  await checkOutputDir(request.outputDir, draft.name, request.force);
  const tools = await preflight(request.image, draft, context);
  const digests = await resolveDigests(draft.requirements, context);
  const plan = planBuild(request.image, digests);
  context.span.emit({
    type: 'plan',
    layers: plan.layers.map((layer) => layer.name),
    actions: plan.layers.reduce((count, layer) => count + layer.actions.length, plan.seal.length),
    checks: plan.checks.length,
  });
  return { plan, tools };
}
