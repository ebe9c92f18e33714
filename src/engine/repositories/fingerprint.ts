import { isKibError, KibError, maskUrl, sha256 } from '../../core/index.ts';
import { isAbsent, isNetworkFailure } from '../../io/http-error.ts';
import { parseRelease } from '../base/release-file.ts';
import type { Seen, SeenTexts } from './seen.ts';
import { type AptIndexes, below, type MirrorList, type RepositorySource } from './source.ts';

/** What one repository holds, or held when it last answered. */
export interface SeenFingerprint {
  /** Of the index file on the first mirror, or of the list of mirrors; without login and query. */
  readonly url: string;
  readonly sha256: string;
  readonly seenMs: number;
  /** Why it did not answer now. */
  readonly offline?: string;
}

/** How many mirrors of a list are asked before the network is taken to be gone. */
const MAX_MIRRORS = 3;

/** The digest of a repository's index as it is now, else as it was. Throws KIB_HTTP when it never answered, or says that there is no index. */
export async function readFingerprint(source: RepositorySource, texts: SeenTexts, signal: AbortSignal): Promise<SeenFingerprint> {
  try {
    return await fingerprint(source, texts, (url) => texts.fetch(url, signal));
  } catch (error) {
    if (!isUnanswered(error)) throw missing(error);
    const earlier = await fingerprint(source, texts, (url) => earlierText(url, texts)).catch(() => undefined);
    if (earlier === undefined) throw missing(error);
    return { ...earlier, offline: error.message };
  }
}

/** The digest that stands for an index: equal ones mean the same packages to choose from. */
export function indexDigest(text: string, apt: AptIndexes | undefined): string {
  return sha256(apt === undefined ? text : (aptContent(text, apt) ?? text));
}

/**
 * What of a Release file decides on packages: the release it says it is, and the digests of the package indexes that the guest reads. The rest
 * changes without them: Date and Valid-Until whenever an archive is signed anew, which Debian's do four times a day, and the digests of
 * sources, translations and other architectures (wiki.debian.org/DebianRepository/Format). Undefined when it lists no such index.
 */
function aptContent(text: string, { arch, components }: AptIndexes): string | undefined {
  const release = parseRelease(text);
  const wanted = [arch, 'all'].flatMap((each) => components.map((component) => `${component}/binary-${each}/Packages`));
  const isWanted = (path: string) =>
    components.length === 0
      ? /^(\.\/)?Packages(\.|$)/.test(path)
      : wanted.some((name) => path === name || path.startsWith(`${name}.`));
  const indexes = [...release.sha256].filter(([path]) => isWanted(path)).map(([path, digest]) => `${digest} ${path}`);
  if (indexes.length === 0) return undefined;
  return [`Suite: ${release.suite ?? ''}`, `Codename: ${release.codename ?? ''}`, ...indexes.sort()].join('\n');
}

async function fingerprint(
  source: RepositorySource,
  texts: SeenTexts,
  read: (url: string) => Promise<Seen>,
): Promise<SeenFingerprint> {
  if ('url' in source.mirrors) return throughList(source, source.mirrors, texts, read);
  const found = await firstIndex(source.paths, source.mirrors, read);
  const url = maskUrl(below(source.mirrors[0] ?? '', found.path));
  return { url, sha256: indexDigest(found.seen.text, source.apt), seenMs: found.seen.seenMs };
}

/**
 * A Metalink names the digest of the index. A list of URLs may be another at every look, and mirrors lag behind each other, so one that was asked
 * before is asked again as long as it is listed.
 */
async function throughList(
  source: RepositorySource,
  list: MirrorList,
  texts: SeenTexts,
  read: (url: string) => Promise<Seen>,
): Promise<SeenFingerprint> {
  const url = `${maskUrl(list.url).replace(/\?.*$/, '')}#${list.name}`;
  const { text, seenMs } = await read(list.url);
  const digest = metalinkDigest(text);
  if (digest !== undefined) return { url, sha256: digest, seenMs };
  const mirrors = text.split('\n').flatMap((line) => /^\s*(https?:\S+)/.exec(line)?.[1] ?? []);
  const isKnown = await Promise.all(mirrors.map((mirror) => texts.earlier(below(mirror, source.paths[0] ?? ''))));
  const known = mirrors.filter((_, index) => isKnown[index] !== undefined);
  const { seen } = await firstIndex(source.paths, [...new Set([...known, ...mirrors])], read);
  return { url, sha256: indexDigest(seen.text, source.apt), seenMs: Math.min(seenMs, seen.seenMs) };
}

async function firstIndex(
  paths: readonly string[],
  mirrors: readonly string[],
  read: (url: string) => Promise<Seen>,
): Promise<{ readonly seen: Seen; readonly path: string }> {
  let failure: unknown;
  for (const mirror of mirrors.slice(0, MAX_MIRRORS)) {
    for (const path of paths) {
      try {
        return { seen: await read(below(mirror, path)), path };
      } catch (error) {
        if (!isKibError(error) || error.code !== 'KIB_HTTP') throw error;
        // No answer may be made up for by an earlier one, so it is said before any other failure.
        if (failure === undefined || (isUnanswered(error) && !isUnanswered(failure))) failure = error;
        if (!isAbsent(error)) break;
      }
    }
  }
  throw failure ?? new KibError('KIB_HTTP', 'the list of mirrors is empty');
}

/** SHA-256 of repomd.xml as a Metalink has it (version 3.0, the format before RFC 5854's). */
function metalinkDigest(text: string): string | undefined {
  const file = /<file\s+name="repomd\.xml">([\s\S]*?)<\/file>/.exec(text)?.[1] ?? '';
  // Older states that mirrors may still have follow as alternates.
  const current = file.replaceAll(/<mm0:alternates>[\s\S]*?<\/mm0:alternates>/g, '');
  return /<hash\s+type="sha256">\s*([0-9a-f]{64})\s*<\/hash>/i.exec(current)?.[1]?.toLowerCase();
}

async function earlierText(url: string, texts: SeenTexts): Promise<Seen> {
  const seen = await texts.earlier(url);
  if (seen === undefined) throw new KibError('KIB_HTTP', `${maskUrl(url)} never answered`, { details: { status: 404 } });
  return seen;
}

function isUnanswered(error: unknown): error is KibError {
  return isKibError(error) && (isNetworkFailure(error) || (error.code === 'KIB_HTTP' && error.retryable));
}

/** Whether readFingerprint threw this because nobody answered, now or ever. */
export function isNeverSeen(error: unknown): error is KibError {
  return isKibError(error) && error.code === 'KIB_HTTP' && isUnanswered(error.cause);
}

function missing(error: unknown): unknown {
  if (!isKibError(error) || error.code !== 'KIB_HTTP') return error;
  const why = isUnanswered(error) ? '; what it holds was never seen before' : '';
  return new KibError('KIB_HTTP', `cannot read a package repository of the guest: ${error.message}${why}`, {
    hint: error.hint ?? 'check the network; the guest installs packages from there',
    retryable: error.retryable,
    cause: error,
    details: error.details,
  });
}
