import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type BuildDirs, type Clock, type Journal, type Scope, systemCode } from '../core/index.ts';
import { ownPath } from '../io/own-path.ts';
import { makeFolder } from './folder.ts';

const CACHE_HINT = 'set XDG_CACHE_HOME to a folder you may write to';
const STATE_HINT = 'set XDG_STATE_HOME to a folder you may write to';

/** Characters of the image's name in a build id; ids are parts of paths that must not grow long. */
const MAX_NAME = 32;

/** `20261120-031500-debian13-4f2a`: sorts by time; two may be the same, see `claimBuildId`. */
export function newBuildId(name: string, clock: Clock): string {
  const time = new Date(clock.now()).toISOString().replaceAll(/[-:]/g, '').replace('T', '-').slice(0, 15);
  return [time, sanitised(name), randomBytes(2).toString('hex')].filter((part) => part !== '').join('-');
}

/** What a file name may hold everywhere: lower-case letters, digits, dots and hyphens, none of the latter two at an end. */
function sanitised(name: string): string {
  return name
    .toLowerCase()
    .replaceAll(/[^a-z0-9.]+/g, '-')
    .slice(0, MAX_NAME)
    .replaceAll(/^[.-]+|[.-]+$/g, '');
}

/**
 * An id that no other build of this state folder has or will have: its log folder is made with it. When folders cannot be made there the id is
 * given all the same; `makeBuildDirs` then says why. Synchronous, since a build has its id from the start.
 */
export function claimBuildId(stateHome: string, name: string, clock: Clock, propose = newBuildId): string {
  const first = propose(name, clock);
  try {
    mkdirSync(join(stateHome, 'builds'), { recursive: true, mode: 0o700 });
  } catch {
    return first;
  }
  for (let id = first; ; id = propose(name, clock)) {
    try {
      mkdirSync(buildStateDir(stateHome, id), { mode: 0o700 });
      return id;
    } catch (error) {
      if (systemCode(error) !== 'EEXIST') return id;
    }
  }
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
