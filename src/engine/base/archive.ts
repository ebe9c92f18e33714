import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Arch, errorMessage, KibError, sha256 } from '../../core/index.ts';
import { type AptSource, aptDownload, aptSources } from '../../io/apt.ts';
import { CommandError, run } from '../../io/process.ts';
import { parseRelease, type ReleaseFile } from './release-file.ts';

/** One suite of a package archive, as it is now. */
export interface ArchiveSuite {
  readonly uri: string;
  /** `trixie`, `trixie-updates`, `trixie-security`. */
  readonly suite: string;
  /** SHA-256 of its package index: equal digests mean the same packages to choose from. */
  readonly index: string;
}

export interface Archive {
  /** The suite itself, then updates and security where there are any. */
  readonly suites: readonly ArchiveSuite[];
  /** When the suite was last released, in seconds since the epoch: the time of everything in the image that has none of its own. */
  readonly epoch: number;
}

export interface ArchiveRequest {
  readonly suite: string;
  readonly arch: Arch;
  readonly mirror: string | undefined;
  /** Folder for scratch files. */
  readonly scratch: string;
  readonly signal: AbortSignal;
  /** Give up soon on an archive that does not answer, since there is something to use in its place. */
  readonly isHasty?: boolean;
  /** Told what each address had when it was asked. */
  readonly onProbe?: (probe: ArchiveProbe) => void;
}

/** An address that was asked for a Release file. */
export interface ArchiveProbe {
  readonly url: string;
  /** Hex digest of what it had; null when there was nothing. */
  readonly sha256: string | null;
}

/** Component of the archive that the base is made from: all of it is free software. */
export const COMPONENT = 'main';

/** How the suites of one release are named (www.debian.org/releases); the first must exist. */
export function suitesOf(suite: string): readonly [string, ...string[]] {
  return [suite, `${suite}-updates`, `${suite}-security`];
}

/**
 * Finds where a suite, its updates and its security updates come from, and reads what they hold now. Throws KIB_BOOTSTRAP when the
 * archive cannot be reached or has no such suite.
 */
export async function readArchive(request: ArchiveRequest): Promise<Archive> {
  const candidates = await candidateUris(request);
  const found = await Promise.all(suitesOf(request.suite).map((suite) => findSuite(suite, candidates, request)));
  const [main] = found;
  if (main === undefined) {
    throw new KibError('KIB_BOOTSTRAP', `no package archive for ${request.suite}: asked ${candidates.join(', ')}`, {
      hint: 'check the name of the suite, or name another archive with base.bootstrap.mirror',
    });
  }
  return {
    suites: found.flatMap((suite) => (suite === undefined ? [] : [suite.entry])),
    epoch: main.release.date ?? 0,
  };
}

/** The digest that stands for a suite's packages: that of its index, else of the whole Release file. */
export function indexDigest(text: string, release: ReleaseFile, arch: Arch): string {
  return release.sha256.get(`${COMPONENT}/binary-${arch}/Packages`) ?? sha256(text);
}

/** Whether a Release file is that of a suite, asked for by code name or by `stable`. */
export function isSuite(release: ReleaseFile, suite: string): boolean {
  return release.codename === suite || release.suite === suite;
}

/** URIs that may hold the suite: the mirror asked for, else what the host's apt uses, else what mmdebstrap would take. */
async function candidateUris(request: ArchiveRequest): Promise<readonly string[]> {
  if (request.mirror !== undefined) {
    const mirror = request.mirror.replace(/\/+$/, '');
    return [mirror, `${mirror}-security`];
  }
  const host = debianUris(await aptSources(request.signal), await osRelease());
  return host.length > 0 ? host : defaultUris(request);
}

/** The archive of the distribution among a host's apt sources; empty unless the host is Debian. */
export function debianUris(sources: readonly AptSource[], osRelease: string): readonly string[] {
  if (!/^ID="?debian"?$/m.test(osRelease)) return [];
  const codename = /^VERSION_CODENAME="?(\w+)"?$/m.exec(osRelease)?.[1] ?? 'sid';
  const own = new RegExp(`^(${codename}|oldoldstable|oldstable|stable|testing|unstable|sid)(-updates|-security)?$`);
  const uris = sources.filter((source) => own.test(source.suite) && source.component === COMPONENT).map((source) => source.uri);
  return [...new Set(uris)];
}

/** mmdebstrap knows the archives of each suite; it writes them down before it fetches anything. */
async function defaultUris(request: ArchiveRequest): Promise<readonly string[]> {
  const list = join(request.scratch, 'default.list');
  const nothing = ['--variant=custom', '--format=null', '--skip=update,cleanup'];
  await run('mmdebstrap', [...nothing, `--setup-hook=download /etc/apt/sources.list ${list}`, request.suite, '/dev/null'], {
    signal: request.signal,
  });
  const uris = (await readFile(list, 'utf8')).split('\n').flatMap((line) => /^deb (?:\[.*\] )?(\S+)/.exec(line)?.[1] ?? []);
  return [...new Set(uris.map((uri) => uri.replace(/\/+$/, '')))];
}

async function findSuite(
  suite: string,
  candidates: readonly string[],
  request: ArchiveRequest,
): Promise<{ readonly entry: ArchiveSuite; readonly release: ReleaseFile } | undefined> {
  for (const [index, uri] of candidates.entries()) {
    const text = await readRelease(`${uri}/dists/${suite}`, join(request.scratch, `${suite}-${index}`), request);
    if (text === undefined) continue;
    const release = parseRelease(text);
    // A host's other sources may use Debian's suite names for packages of their own.
    if (request.mirror === undefined && release.origin !== 'Debian') continue;
    if (isSuite(release, suite)) return { entry: { uri, suite, index: indexDigest(text, release, request.arch) }, release };
  }
  return undefined;
}

async function readRelease(folder: string, path: string, request: ArchiveRequest): Promise<string | undefined> {
  for (const name of ['InRelease', 'Release']) {
    const url = `${folder}/${name}`;
    try {
      const isThere = await aptDownload(url, `${path}-${name}`, request);
      const text = isThere ? await readFile(`${path}-${name}`, 'utf8') : undefined;
      request.onProbe?.({ url, sha256: text === undefined ? null : sha256(text) });
      if (text !== undefined) return text;
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      throw new KibError('KIB_BOOTSTRAP', `the package archive cannot be reached: ${errorMessage(error)}`, {
        hint: 'check the network and the proxy settings of apt, or name another archive with base.bootstrap.mirror',
        retryable: true,
        cause: error,
      });
    }
  }
  return undefined;
}

async function osRelease(): Promise<string> {
  return readFile('/etc/os-release', 'utf8').catch(() => '');
}
