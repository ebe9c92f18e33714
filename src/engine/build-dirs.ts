import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { BuildDirs, Clock, Journal, Scope } from '../core/index.ts';
import { ownPath } from '../io/own-path.ts';
import { makeFolder } from './folder.ts';

const CACHE_HINT = 'set XDG_CACHE_HOME to a folder you may write to';
const STATE_HINT = 'set XDG_STATE_HOME to a folder you may write to';

/** `20261120-031500-debian13-4f2a`: sorts by time, unique enough for one host. */
export function newBuildId(name: string, clock: Clock): string {
  const time = new Date(clock.now()).toISOString().replaceAll(/[-:]/g, '').replace('T', '-').slice(0, 15);
  return `${time}-${name}-${randomBytes(2).toString('hex')}`;
}

/** Where a build keeps its logs, journal and, when it is kept, its login. */
export function buildStateDir(stateHome: string, id: string): string {
  return join(stateHome, 'builds', id);
}

/** Makes the scratch folder of a build, known to journal and scope before it exists. */
export async function makeWorkDir(cacheHome: string, id: string, scope: Scope, journal: Journal): Promise<string> {
  const work = join(cacheHome, 'work', id);
  await ownPath('folder', work, { scope, journal });
  await makeFolder(work, { recursive: true, mode: 0o700, hint: CACHE_HINT });
  return work;
}

/** Makes the folders shared between builds and this build's own log folder. */
export async function makeBuildDirs(stateHome: string, cacheHome: string, id: string): Promise<Omit<BuildDirs, 'work'>> {
  const logs = buildStateDir(stateHome, id);
  await makeFolder(logs, { recursive: true, mode: 0o700, hint: STATE_HINT });
  await makeFolder(cacheHome, { recursive: true, hint: CACHE_HINT });
  return { logs, cache: cacheHome };
}
