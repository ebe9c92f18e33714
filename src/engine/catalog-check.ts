import {
  type Arch,
  type BaseSource,
  type ChecksumList,
  type Digest,
  errorMessage,
  isKibError,
  type OsDefinition,
} from '../core/index.ts';
import { checksumEntries } from '../io/checksum-file.ts';
import type { HttpClient } from '../io/http.ts';
import { isAbsent } from '../io/http-error.ts';
import { fileNameOf } from '../io/url.ts';
import { listedImage } from './base/checksum.ts';
import { freshSignedText } from './base/signed-text.ts';
import { mapParallel } from './parallel.ts';
import { MAX_CHECKSUM_BYTES } from './requirements.ts';

type CloudImage = Extract<BaseSource, { kind: 'cloud-image' }>;

/**
 * `newer`: fine, but there is a newer build; `moved`: gone from its URL, found in an archive; `rotted`: gone, or no longer listed;
 * `differs`: its distributor gives another digest than the catalog; `untrusted`: the signature of its list does not verify; `unreachable`:
 * the network failed, which says nothing about the image.
 */
export type SourceStatus = 'ok' | 'newer' | 'moved' | 'rotted' | 'differs' | 'untrusted' | 'unreachable';

/** One cloud image of the catalog, as it is on the network now. */
export interface SourceReport {
  readonly os: string;
  readonly arch: Arch;
  /** How it is asked for: `base: pinned`, `base: latest`. */
  readonly base: 'pinned' | 'latest';
  /** Where it is; its name whole. */
  readonly url: string;
  readonly status: SourceStatus;
  /** For people. */
  readonly detail: string;
  /** The newest build where it is another one. */
  readonly newest?: { readonly url: string; readonly digest: Digest };
}

export interface CheckRequest {
  readonly systems: readonly OsDefinition[];
  readonly http: HttpClient;
  /** Existing folder for scratch files, which are gone in the end. */
  readonly scratch: string;
  readonly signal: AbortSignal;
}

/** Systems looked at at once: few enough for one server. */
const PARALLEL = 4;
/** A pin that is gone is not there at the second try either. */
const ATTEMPTS = 2;

const BAD: readonly SourceStatus[] = ['rotted', 'differs', 'untrusted', 'unreachable'];

/** Whether a build would fail with it, or nobody can tell. */
export function isBad({ status }: SourceReport): boolean {
  return BAD.includes(status);
}

/** Asks the network for every cloud image of some systems; nothing is downloaded whole. Throws when interrupted, or without gpgv. */
export async function checkCatalog(request: CheckRequest): Promise<readonly SourceReport[]> {
  const lists = new ChecksumLists(request);
  const pairs = request.systems.flatMap((os) =>
    Object.entries(os.bases).map(([arch, sources]) => ({ os, arch: arch as Arch, images: sources.filter(isCloudImage) })),
  );
  const reports = await mapParallel(pairs, { limit: PARALLEL, signal: request.signal }, async ({ os, arch, images }, signal) => {
    const checker: Checker = { http: request.http, lists, signal };
    const newest = await newestOf(images, checker);
    const found: SourceReport[] = [];
    for (const image of images) {
      const result =
        image.checksum.kind === 'pinned' ? await checkPinned(image, newest, checker) : await checkLatest(image, checker);
      found.push({ os: os.id, arch, base: image.checksum.kind === 'pinned' ? 'pinned' : 'latest', ...result });
    }
    return found;
  });
  return reports.flat();
}

interface Checker {
  readonly http: HttpClient;
  readonly lists: ChecksumLists;
  readonly signal: AbortSignal;
}

type Result = Pick<SourceReport, 'url' | 'status' | 'detail' | 'newest'>;
type Newest = NonNullable<SourceReport['newest']>;

async function checkPinned(image: CloudImage, newest: Newest | undefined, checker: Checker): Promise<Result> {
  const { checksum, url, archives = [] } = image;
  if (checksum.kind !== 'pinned') throw new Error('not pinned');
  try {
    const place = await firstPlace([url, ...archives], checker);
    if (place === undefined) return { url, status: 'rotted', detail: 'is gone' };
    if (place !== url) return { url: place, status: 'moved', detail: `is gone from ${url}` };
    const { digest, list } = checksum;
    const listed = list === undefined ? undefined : await checker.lists.digestOf(url, list);
    if (listed !== undefined && listed !== digest.hex)
      return { url, status: 'differs', detail: `want ${digest.algorithm} ${digest.hex}, its distributor gives ${listed}` };
    const detail =
      listed === undefined ? 'is there; no list to compare its digest with' : 'is there, with the digest of the catalog';
    if (newest === undefined || newest.digest.algorithm !== digest.algorithm || newest.digest.hex === digest.hex)
      return { url, status: 'ok', detail };
    return { url, status: 'newer', detail: `${fileNameOf(newest.url)} is newer`, newest };
  } catch (error) {
    return failed(url, error, checker.signal);
  }
}

async function checkLatest(image: CloudImage, checker: Checker): Promise<Result> {
  let { url } = image;
  try {
    const newest = await newestOf([image], checker, true);
    url = newest?.url ?? url;
    if ((await firstPlace([url], checker)) === undefined) return { url, status: 'rotted', detail: 'is gone' };
    return { url, status: 'ok', detail: `is ${newest?.digest.algorithm} ${newest?.digest.hex}` };
  } catch (error) {
    return failed(url, error, checker.signal);
  }
}

/** What the newest form among the images means now; undefined without one, or when it cannot be told, unless `isStrict`. */
async function newestOf(images: readonly CloudImage[], { lists }: Checker, isStrict = false): Promise<Newest | undefined> {
  for (const { url, checksum } of images) {
    if (checksum.kind === 'pinned') continue;
    try {
      return await lists.imageOf(url, checksum);
    } catch (error) {
      if (isStrict || !isKibError(error)) throw error;
    }
  }
  return undefined;
}

/** The first URL that answers with a file, or undefined when the server has none of them. */
async function firstPlace(urls: readonly string[], { http, signal }: Checker): Promise<string | undefined> {
  for (const url of urls) {
    try {
      await http.retrying({ signal, attempts: ATTEMPTS }, async () => {
        const { body } = await http.get(url, { signal, headers: { range: 'bytes=0-0' } });
        body.destroy();
      });
      return url;
    } catch (error) {
      // Some stores refuse what they do not have.
      if (!isAbsent(error)) throw error;
    }
  }
  return undefined;
}

function failed(url: string, error: unknown, signal: AbortSignal): Result {
  if (signal.aborted || !isKibError(error)) throw error;
  const detail = errorMessage(error);
  if (error.code === 'KIB_SIGNATURE') return { url, status: 'untrusted', detail };
  if (error.code === 'KIB_CHECKSUM_MISSING') return { url, status: 'rotted', detail };
  if (error.code !== 'KIB_HTTP') throw error;
  return { url, status: isAbsent(error) ? 'rotted' : 'unreachable', detail };
}

function isCloudImage(source: BaseSource): source is CloudImage {
  return source.kind === 'cloud-image';
}

/** Checksum files, verified where they are signed; each is fetched once. */
class ChecksumLists {
  readonly #request: CheckRequest;
  readonly #texts = new Map<string, Promise<string>>();

  constructor(request: CheckRequest) {
    this.#request = request;
  }

  /** The digest a list gives for a dated image; undefined when there is no list any more. */
  async digestOf(url: string, list: ChecksumList): Promise<string | undefined> {
    const text = await this.#text(list).catch((error: unknown) => {
      if (isAbsent(error)) return undefined;
      throw error;
    });
    return text === undefined ? undefined : listedImage(url, text, list).hex;
  }

  /** What a list says of a name that does not tell the build; with the name of the build where the list has one. */
  async imageOf(url: string, list: ChecksumList): Promise<Newest> {
    const text = await this.#text(list);
    const listed = listedImage(url, text, list);
    const names = checksumEntries(text, list.algorithm)
      .filter(({ name, hex }) => hex === listed.hex && /\d{8}/.test(name) && !name.includes('/'))
      .map(({ name }) => new URL(encodeURIComponent(name), url).href);
    return { url: names[0] ?? listed.url, digest: { algorithm: list.algorithm, hex: listed.hex } };
  }

  async #text({ url, signature }: ChecksumList): Promise<string> {
    const { http, scratch, signal } = this.#request;
    const known = this.#texts.get(url);
    if (known !== undefined) return known;
    const text =
      signature === undefined
        ? http.bytes(url, { signal, attempts: ATTEMPTS, maxBytes: MAX_CHECKSUM_BYTES }).then((bytes) => bytes.toString('utf8'))
        : freshSignedText(url, signature, http, { signal, dirs: { work: scratch } });
    this.#texts.set(url, text);
    return text;
  }
}
