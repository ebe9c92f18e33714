import { type BaseSource, type ChecksumList, type Context, type Digest, maskUrl } from '../../core/index.ts';
import { findChecksum, newestEntry } from '../../io/checksum-file.ts';
import type { HttpClient } from '../../io/http.ts';
import { fileNameOf } from '../../io/url.ts';
import { MAX_CHECKSUM_BYTES } from '../requirements.ts';
import { signedText } from './signed-text.ts';

type CloudImage = Extract<BaseSource, { kind: 'cloud-image' }>;

/** The digest an image must have and why it is believed, for the manifest. */
export interface TrustedDigest {
  readonly digest: Digest;
  /** Where the image is, its name whole. */
  readonly url: string;
  readonly facts: Readonly<Record<string, string>>;
}

/** Finds the digest of a cloud image: pinned, or from a checksum file once its signature has verified. Warns where nothing is signed. */
export async function resolveChecksum(source: CloudImage, http: HttpClient, context: Context): Promise<TrustedDigest> {
  const { checksum } = source;
  if (checksum.kind === 'pinned') return { digest: checksum.digest, url: source.url, facts: { trust: 'pinned digest' } };
  const { url, algorithm, signature } = checksum;
  return context.span.run('fetch', fileNameOf(url), async (span) => {
    const text =
      signature === undefined
        ? await unsignedText(url, http, { ...context, span })
        : await signedText(url, signature, http, { ...context, span });
    const { url: image, hex } = listedImage(source.url, text, checksum);
    const trust = signature === undefined ? 'unsigned checksum file' : `signed by ${signature.key.fingerprint}`;
    return { digest: { algorithm, hex }, url: image, facts: { trust, checksums: maskUrl(url) } };
  });
}

/** Digest and whole URL of an image in the text of its checksum file; of the newest where its name is left open. */
export function listedImage(image: string, text: string, list: ChecksumList): { readonly url: string; readonly hex: string } {
  const query = { name: list.entry ?? fileNameOf(image), algorithm: list.algorithm, url: list.url };
  if (!query.name.includes('*')) return { url: image, hex: findChecksum(text, query) };
  const { name, hex } = newestEntry(text, query);
  return { url: new URL(encodeURIComponent(name), image).href, hex };
}

async function unsignedText(url: string, http: HttpClient, { span, signal }: Context): Promise<string> {
  const document = await http.bytes(url, { signal, maxBytes: MAX_CHECKSUM_BYTES });
  span.warn('KIB_SIGNATURE', `${maskUrl(url)} is not signed; only HTTPS vouches for it`, 'pin the digest of the image');
  return document.toString('utf8');
}
