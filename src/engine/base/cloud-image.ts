import { type BaseImage, type BaseSource, type Context, type Digest, KibError, maskUrl } from '../../core/index.ts';
import { type HttpClient, withHttp } from '../../io/http.ts';
import { isGone } from '../../io/http-error.ts';
import { fetchContent, type StoredContent } from '../content-store.ts';
import { resolveChecksum } from './checksum.ts';
import { probeImage } from './probe.ts';

type CloudImage = Extract<BaseSource, { kind: 'cloud-image' }>;

/** Downloads a cloud image, or takes it from the cache; verified by digest, and the digest by signature where there is one. */
export async function cloudImageBase(source: CloudImage, context: Context): Promise<BaseImage> {
  return withHttp(context, async (http) => {
    const { digest, url: image, facts } = await resolveChecksum(source, http, context);
    const { url, path, sha256, bytes } = await fetchFromAny(source, [image, ...(source.archives ?? [])], digest, http, context);
    await probeImage(path, source.format, context);
    return {
      source,
      path,
      format: source.format,
      sha256,
      bytes,
      facts: { url: maskUrl(url), digest: `${digest.algorithm}:${digest.hex}`, ...facts },
    };
  });
}

/** The image from the first place that has it: the digest says that it is the same everywhere. */
async function fetchFromAny(
  source: CloudImage,
  urls: readonly string[],
  digest: Digest,
  http: HttpClient,
  context: Context,
): Promise<StoredContent & { readonly url: string }> {
  const [url = source.url, ...others] = urls;
  try {
    return { url, ...(await fetchContent({ url, digest }, http, context)) };
  } catch (error) {
    if (!isGone(error)) throw error;
    if (others.length === 0) throw withdrawn(source, error);
    return fetchFromAny(source, others, digest, http, context);
  }
}

// Distributors delete dated releases after some months.
function withdrawn(source: CloudImage, cause: unknown): KibError {
  return new KibError('KIB_HTTP', `the image ${maskUrl(source.url)} is no longer there`, {
    hint: 'take the newest one with base: latest, give another with base.url and base.sha256, or update kib-native; kib-native catalog check looks at all',
    cause,
    details: { url: maskUrl(source.url) },
  });
}
