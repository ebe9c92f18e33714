import type { BaseImage, BuildPlan, Context, RemoteBase } from '../../core/index.ts';
import type { KeyFacts } from '../../plan/keys.ts';
import { readBaseFiles } from '../base/base-files.ts';
import { formatAge } from '../base/bootstrap.ts';
import { mapParallel } from '../parallel.ts';
import type { BuildRequest } from '../request.ts';
import { isNeverSeen, readFingerprint, type SeenFingerprint } from './fingerprint.ts';
import { applyLock } from './lock.ts';
import { SeenTexts } from './seen.ts';
import type { RepositorySource } from './source.ts';
import { packageSources } from './sources.ts';

/** What one package repository holds. */
export interface RepositoryFingerprint {
  /** Of InRelease, Release or repomd.xml, or of the list of mirrors; without login and query. */
  readonly url: string;
  /** Hex; equal digests mean the same packages to choose from. */
  readonly sha256: string;
}

/** What the guest's package repositories hold: its own (read from the base image's files) and those the plan adds. */
export interface RepositoryState {
  /** Sorted by URL. */
  readonly fingerprints: readonly RepositoryFingerprint[];
  /** Milliseconds since the epoch: when they were last seen to be so; now when the network answered. */
  readonly seenMs: number;
  /** Why the network did not answer, when an earlier state is used. */
  readonly offline?: string;
}

/** Enough to hide the latency of small files. */
const PARALLEL = 8;

/**
 * Reads what the package repositories hold now, or held when they last answered (with a warning that says how long ago). Holds it against the
 * lock file or writes it there. Undefined when the plan installs no packages. Nothing is trusted for it: signatures are the guest's to verify.
 * Throws KIB_LOCK_DRIFT when locked, KIB_HTTP for a repository that is not there any more, and for one that never answered unless the guest may
 * reach what this host does not.
 */
export async function readRepositories(
  plan: BuildPlan,
  base: BaseImage | RemoteBase,
  options: Pick<BuildRequest, 'lock'> & { readonly sharesNetwork?: boolean },
  context: Context,
): Promise<RepositoryState | undefined> {
  // What is written down must have been seen.
  const mustAnswer = options.sharesNetwork !== false || options.lock !== undefined;
  // Nothing of a remote base can be read here, so nobody knows its package sources before it runs.
  const state = installsPackages(plan) && 'path' in base ? await readState(plan, base, mustAnswer, context) : undefined;
  if (options.lock !== undefined) await applyLock(plan, base, state?.fingerprints ?? [], options.lock, context);
  return state;
}

/** What counts in layer keys. */
export function keyFacts(state: RepositoryState | undefined): Pick<KeyFacts, 'repositories'> {
  if (state === undefined) return {};
  return { repositories: state.fingerprints.map(({ sha256, url }) => `${sha256} ${url}`) };
}

function installsPackages({ layers }: BuildPlan): boolean {
  return layers.some(({ actions }) => actions.some((action) => action.kind === 'exec' && action.packages === true));
}

function readState(plan: BuildPlan, base: BaseImage, mustAnswer: boolean, outer: Context): Promise<RepositoryState> {
  return outer.span.run('fetch', 'package repositories', async (span) => {
    const context = { ...outer, span };
    const { files, unreadable } = await readBaseFiles(base, context);
    if (unreadable !== undefined) {
      const hint = 'with --from packages they are installed anew';
      span.warn('KIB_INSPECT', `the base’s own package repositories are not watched for changes: ${unreadable}`, hint);
    }
    const { sources, unwatched } = packageSources(plan, files);
    for (const { what, why } of unwatched)
      span.warn('KIB_HTTP', `the package repository ${what} is not watched for changes: ${why}`);
    const found = await readAll(sources, mustAnswer, context);
    const state = toState(found, context.clock.now());
    const late = found.filter(({ offline }) => offline !== undefined);
    if (state.offline !== undefined) {
      const age = formatAge(context.clock.now() - state.seenMs);
      const what = late.length === 1 ? 'the package repository' : `${late.length} package repositories`;
      span.warn('KIB_HTTP', `${state.offline}; ${what} may have changed since last seen ${age}`);
    }
    return state;
  });
}

async function readAll(
  sources: readonly RepositorySource[],
  mustAnswer: boolean,
  context: Context,
): Promise<readonly SeenFingerprint[]> {
  await using texts = await SeenTexts.open(context);
  const found = await mapParallel(sources, { limit: PARALLEL, signal: context.signal }, async (source, signal) => {
    try {
      return [await readFingerprint(source, texts, signal)];
    } catch (error) {
      if (mustAnswer || !isNeverSeen(error)) throw error;
      const hint = 'nothing is wrong if only the guest reaches it; with --from packages what it has is installed anew';
      context.span.warn('KIB_HTTP', `not watched for changes: ${error.message}`, hint);
      return [];
    }
  });
  return found.flat();
}

function toState(found: readonly SeenFingerprint[], now: number): RepositoryState {
  const byUrl = new Map(found.map(({ url, sha256 }) => [url, sha256]));
  const fingerprints = [...byUrl].map(([url, sha256]) => ({ url, sha256 })).sort((a, b) => (a.url < b.url ? -1 : 1));
  const late = found.filter(({ offline }) => offline !== undefined);
  const offline = late[0]?.offline;
  if (offline === undefined) return { fingerprints, seenMs: now };
  return { fingerprints, seenMs: Math.min(...late.map(({ seenMs }) => seenMs)), offline };
}
