import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { type Context, type Digest, digestFile, errorMessage, KibError, maskUrl, type Requirement } from '../core/index.ts';
import { findChecksum } from '../io/checksum-file.ts';
import { type HttpClient, withHttp } from '../io/http.ts';
import { fileNameOf } from '../io/url.ts';
import { fetchContent } from './content-store.ts';
import { mapParallel } from './parallel.ts';

/** Connections at once: enough to hide the latency of small files, few enough for one server. */
const PARALLEL = 4;
/** A checksum or signature file is some lines of text. */
export const MAX_CHECKSUM_BYTES = 4 * 1024 * 1024;

/** SHA-256 of every file, by URL: the pinned one, else the one its checksum file gives. Reports to one `fetch` span when it reads any. */
export async function resolveDigests(
  requirements: readonly Requirement[],
  context: Pick<Context, 'span' | 'signal' | 'clock' | 'network'>,
): Promise<Map<string, string>> {
  const digests = new Map<string, string>();
  const unknown: Requirement[] = [];
  for (const requirement of requirements) {
    const { url, sha256, sha512 } = requirement;
    if (sha256 !== undefined) digests.set(url, sha256);
    else if (sha512 === undefined) unknown.push(requirement);
  }
  const open = unknown.filter((requirement) => !digests.has(requirement.url));
  if (open.length === 0) return digests;
  await context.span.run('fetch', 'checksums', (span) =>
    withHttp(context, async (http) => {
      const texts = new Map<string, Promise<string>>();
      let done = 0;
      await mapParallel(open, { limit: PARALLEL, signal: context.signal }, async (requirement, signal) => {
        const { url, checksumUrl } = requirement;
        if (checksumUrl === undefined && url.startsWith('file:')) {
          // A file of this host vouches for itself; its digest makes it an input of the build.
          digests.set(url, await digestFile(fileURLToPath(url), 'sha256', signal));
          return;
        }
        if (checksumUrl === undefined) {
          throw new KibError(
            'KIB_CHECKSUM_MISSING',
            `${maskUrl(url)} has neither a digest nor a checksum file (${requirement.why})`,
            {
              hint: 'pin its sha256',
            },
          );
        }
        const text = texts.get(checksumUrl) ?? readChecksumFile(checksumUrl, http, signal);
        texts.set(checksumUrl, text);
        digests.set(url, findChecksum(await text, { name: fileNameOf(url), algorithm: 'sha256', url: checksumUrl }));
        span.progress(++done, open.length, 'actions');
      });
    }),
  );
  return digests;
}

/** Brings every file to this host and returns where it lies, by URL. Digests must be known (resolveDigests). */
export async function fetchRequirements(requirements: readonly Requirement[], context: Context): Promise<Map<string, string>> {
  const byUrl = new Map(requirements.map((requirement) => [requirement.url, requirement]));
  if (byUrl.size === 0) return new Map();
  const stored = await withHttp(context, (http) =>
    mapParallel(
      [...byUrl.values()],
      { limit: PARALLEL, signal: context.signal },
      async ({ url, sha256, sha512, why }, signal) => {
        const digest = digestOf(sha256, sha512);
        if (digest === undefined)
          throw new KibError('KIB_CHECKSUM_MISSING', `the digest of ${maskUrl(url)} is not known (${why})`);
        const { path } = await fetchContent({ url, digest }, http, { ...context, signal });
        return [url, path] as const;
      },
    ),
  );
  return new Map(stored);
}

function digestOf(sha256: string | undefined, sha512: string | undefined): Digest | undefined {
  if (sha256 !== undefined) return { algorithm: 'sha256', hex: sha256 };
  return sha512 === undefined ? undefined : { algorithm: 'sha512', hex: sha512 };
}

async function readChecksumFile(url: string, http: HttpClient, signal: AbortSignal): Promise<string> {
  if (!url.startsWith('file:')) return (await http.bytes(url, { signal, maxBytes: MAX_CHECKSUM_BYTES })).toString('utf8');
  try {
    return await readFile(fileURLToPath(url), 'utf8');
  } catch (error) {
    throw new KibError('KIB_CHECKSUM_MISSING', `cannot read the checksum file ${url}: ${errorMessage(error)}`, {
      hint: 'a folder with binaries needs <name>.sha256 beside each of them',
      cause: error,
    });
  }
}
