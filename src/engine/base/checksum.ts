import { type BaseSource, type Context, type Digest, isKibError, KibError, type Signature } from '../../core/index.ts';
import { findChecksum } from '../../io/checksum-file.ts';
import type { HttpClient } from '../../io/http.ts';
import { verifyClearsigned, verifyDetached } from '../../io/openpgp.ts';
import { fileNameOf, maskUrl } from '../../io/url.ts';
import { MAX_CHECKSUM_BYTES } from '../requirements.ts';

type CloudImage = Extract<BaseSource, { kind: 'cloud-image' }>;

/** The digest an image must have and why it is believed, for the manifest. */
export interface TrustedDigest {
  readonly digest: Digest;
  readonly facts: Readonly<Record<string, string>>;
}

/** Finds the digest of a cloud image: pinned, or from a checksum file once its signature has verified. Warns where nothing is signed. */
export async function resolveChecksum(source: CloudImage, http: HttpClient, context: Context): Promise<TrustedDigest> {
  const { checksum } = source;
  if (checksum.kind === 'pinned') return { digest: checksum.digest, facts: { trust: 'pinned digest' } };
  const { url, algorithm, signature } = checksum;
  return context.span.run('fetch', fileNameOf(url), async (span) => {
    const document = await http.bytes(url, { signal: context.signal, maxBytes: MAX_CHECKSUM_BYTES });
    if (signature === undefined) {
      span.warn('KIB_SIGNATURE', `${maskUrl(url)} is not signed; only HTTPS vouches for it`, 'pin the digest of the image');
    }
    const text =
      signature === undefined ? document.toString('utf8') : await verifiedText(url, document, signature, http, context);
    const hex = findChecksum(text, { name: checksum.entry ?? fileNameOf(source.url), algorithm, url });
    const trust = signature === undefined ? 'unsigned checksum file' : `signed by ${signature.key.fingerprint}`;
    return { digest: { algorithm, hex }, facts: { trust, checksums: maskUrl(url) } };
  });
}

async function verifiedText(
  url: string,
  document: Buffer,
  signature: Signature,
  http: HttpClient,
  context: Context,
): Promise<string> {
  const options = { key: signature.key, dir: context.dirs.work, what: maskUrl(url), signal: context.signal };
  if (signature.kind === 'clearsigned') return verifyClearsigned(document, options);
  await verifyDetached(document, await fetchSignature(signature.url, http, context.signal), options);
  return document.toString('utf8');
}

async function fetchSignature(url: string, http: HttpClient, signal: AbortSignal): Promise<Buffer> {
  try {
    return await http.bytes(url, { signal, maxBytes: MAX_CHECKSUM_BYTES });
  } catch (error) {
    const status = isKibError(error) ? error.details['status'] : undefined;
    if (status !== 404 && status !== 410) throw error;
    throw new KibError(
      'KIB_SIGNATURE',
      `there is no signature at ${maskUrl(url)}, and its checksum file is not used without one`,
      {
        hint: 'give an image you trust with base.url and base.sha256',
        cause: error,
      },
    );
  }
}
