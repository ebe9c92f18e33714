import { type BaseImage, type BuildPlan, type Context, canonicalJson, type RemoteBase, sha256 } from '../core/index.ts';
import { planBuild } from '../plan/planner.ts';
import { findBase } from './find-base.ts';
import { type LoginWay, loginDigest } from './login.ts';
import { chooseLogin } from './login-way.ts';
import { quietGuest } from './quiet-guest.ts';
import { keyFacts, type RepositoryState, readRepositories } from './repositories/index.ts';
import type { BuildRequest } from './request.ts';
import { resolveDigests } from './requirements.ts';
import { settleScript } from './settle-guest.ts';
import { BUILD_HOSTNAME } from './start-machine.ts';

/** A plan whose layer keys count everything that they depend on. */
export interface ReadyPlan {
  readonly plan: BuildPlan;
  readonly base: BaseImage | RemoteBase;
  readonly repositories: RepositoryState | undefined;
  /** How the build's login gets into the base. */
  readonly login: LoginWay;
}

/** Learns what only the host and the network know, and plans with it: digests of downloads, the base, what package repositories hold. */
export async function resolvePlan(
  request: Pick<BuildRequest, 'image' | 'lock'>,
  draft: BuildPlan,
  context: Context,
): Promise<ReadyPlan> {
  const [digests, base] = await Promise.all([
    resolveDigests(draft.requirements, context),
    findBase(request.image, draft, context),
  ]);
  const { lock } = request;
  const resolved = planBuild(request.image, digests);
  const { sharesNetwork = false } = request.image.driver.capabilities;
  const options = { sharesNetwork, ...(lock === undefined ? {} : { lock }) };
  const repositories = await readRepositories(resolved, base, options, context);
  const login = await chooseLogin(request.image, resolved.machine, base, context);
  const seed = guestDigest(draft, login);
  const plan = planBuild(request.image, digests, { base: base.sha256, seed, ...keyFacts(repositories) });
  return { plan, base, repositories, login };
}

/** What is done to every guest before its first layer. */
function guestDigest({ os }: BuildPlan, login: LoginWay): string {
  const seed = loginDigest(login, { hostname: BUILD_HOSTNAME, minimal: true });
  const settle = login === 'credentials' ? { settle: settleScript.masked } : {};
  return sha256(canonicalJson({ seed, quiet: quietGuest(os).masked, ...settle }));
}
