import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { type Context, errorMessage, isKibError, KibError, maskUrl, type Signature, sha256 } from '../../core/index.ts';
import { HASTE, withinHaste } from '../../io/haste.ts';
import { HttpClient, type RequestOptions } from '../../io/http.ts';
import { diskError, isGone, isNetworkFailure } from '../../io/http-error.ts';
import { ifThere } from '../../io/if-there.ts';
import { verifyClearsigned, verifyDetached } from '../../io/openpgp.ts';
import { withTemporaryFile } from '../../io/temporary-file.ts';
import { MAX_CHECKSUM_BYTES } from '../requirements.ts';

/** A signed text as it came from the network. */
interface SignedDocument {
  readonly document: Buffer;
  /** The signature over exactly these bytes; undefined when it stands within them. */
  readonly signature: Buffer | undefined;
}

/** A document in the cache, its bytes as Base64. `fetched` is in milliseconds since the epoch. */
const keptSchema = z.object({ fetched: z.number(), document: z.base64(), signature: z.base64().optional() });

const HOUR_MS = 3_600_000;

/**
 * The text behind a URL, once its signature has verified. Each one is kept in the cache: when the network fails, the one kept last is
 * verified again and used, with a warning that names its age. Throws KIB_SIGNATURE, and KIB_HTTP when nothing was kept.
 */
export async function signedText(url: string, signature: Signature, http: HttpClient, context: Context): Promise<string> {
  const kept = await findKept(url, context);
  let fetched: SignedDocument;
  try {
    fetched = await (kept === undefined
      ? fetchDocument(url, signature, http, { signal: context.signal })
      : fetchHastily(url, signature, context));
  } catch (error) {
    if (kept === undefined || !isNetworkFailure(error)) throw error;
    const text = await verified(url, kept, signature, context).catch((problem: unknown) => {
      // As good as no copy, so it is still the network that matters.
      throw isKibError(problem) && problem.code === 'KIB_SIGNATURE' ? error : problem;
    });
    const age = ageText(context.clock.now() - kept.fetched);
    context.span.warn('KIB_HTTP', `${errorMessage(error)}; its copy from ${age} ago is used, which is still validly signed`);
    return text;
  }
  const text = await verified(url, fetched, signature, context);
  await keep(url, fetched, context);
  return text;
}

/** The text behind a URL as it is now, once its signature has verified; nothing is kept. Throws KIB_SIGNATURE and KIB_HTTP. */
export async function freshSignedText(
  url: string,
  signature: Signature,
  http: HttpClient,
  context: VerifyContext,
): Promise<string> {
  return verified(url, await fetchDocument(url, signature, http, { signal: context.signal }), signature, context);
}

async function fetchDocument(
  url: string,
  signature: Signature,
  http: HttpClient,
  options: RequestOptions,
): Promise<SignedDocument> {
  const limits = { ...options, maxBytes: MAX_CHECKSUM_BYTES };
  const document = await http.bytes(url, limits);
  if (signature.kind === 'clearsigned') return { document, signature: undefined };
  const bytes = await http.bytes(signature.url, limits).catch((error: unknown) => {
    throw isGone(error) ? unsigned(signature.url, error) : error;
  });
  return { document, signature: bytes };
}

async function fetchHastily(url: string, signature: Signature, context: Context): Promise<SignedDocument> {
  await using http = await HttpClient.open(context, HASTE);
  return await withinHaste(url, http, context.signal, (options) => fetchDocument(url, signature, http, options));
}

/** What verifying needs: a folder for scratch files. */
interface VerifyContext {
  readonly signal: AbortSignal;
  readonly dirs: Pick<Context['dirs'], 'work'>;
}

async function verified(url: string, signed: SignedDocument, { key }: Signature, context: VerifyContext): Promise<string> {
  const options = { key, dir: context.dirs.work, what: maskUrl(url), signal: context.signal };
  if (signed.signature === undefined) return verifyClearsigned(signed.document, options);
  await verifyDetached(signed.document, signed.signature, options);
  return signed.document.toString('utf8');
}

async function keep(url: string, { document, signature }: SignedDocument, context: Context): Promise<void> {
  const path = keptPath(url, context);
  const kept: z.input<typeof keptSchema> = {
    fetched: context.clock.now(),
    document: document.toString('base64'),
    signature: signature?.toString('base64'),
  };
  try {
    await mkdir(join(path, '..'), { recursive: true });
    await withTemporaryFile(`${path}.${context.buildId}`, context, async (part) => {
      await writeFile(part, JSON.stringify(kept));
      await rename(part, path);
    });
  } catch (error) {
    throw diskError(error, path);
  }
}

async function findKept(url: string, context: Context): Promise<(SignedDocument & { readonly fetched: number }) | undefined> {
  const text = await ifThere(readFile(keptPath(url, context), 'utf8'));
  if (text === undefined) return undefined;
  try {
    const { fetched, document, signature } = keptSchema.parse(JSON.parse(text));
    const bytes = (base64: string) => Buffer.from(base64, 'base64');
    return { fetched, document: bytes(document), signature: signature === undefined ? undefined : bytes(signature) };
  } catch {
    // Written by another version, or damaged: as good as none.
    return undefined;
  }
}

function keptPath(url: string, { dirs }: Context): string {
  return join(dirs.cache, 'checksums', `${sha256(url)}.json`);
}

function unsigned(url: string, cause: unknown): KibError {
  return new KibError(
    'KIB_SIGNATURE',
    `there is no signature at ${maskUrl(url)}, and its checksum file is not used without one`,
    {
      hint: 'give an image you trust with base.url and base.sha256',
      cause,
    },
  );
}

function ageText(ms: number): string {
  const hours = Math.round(ms / HOUR_MS);
  if (hours < 1) return 'less than an hour';
  return hours < 48 ? `${hours} h` : `${Math.round(hours / 24)} days`;
}
