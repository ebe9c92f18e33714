import { type BaseImage, type BaseSource, type Context, KibError, maskUrl } from '../../core/index.ts';
import { withHttp } from '../../io/http.ts';
import { isGone } from '../../io/http-error.ts';
import { fetchContent } from '../content-store.ts';
import { resolveChecksum } from './checksum.ts';
import { probeImage } from './probe.ts';

type CloudImage = Extract<BaseSource, { kind: 'cloud-image' }>;

/** Downloads a cloud image, or takes it from the cache; verified by digest, and the digest by signature where there is one. */
export async function cloudImageBase(source: CloudImage, context: Context): Promise<BaseImage> {
  return withHttp(context, async (http) => {
    const { digest, facts } = await resolveChecksum(source, http, context);
    const { path, sha256, bytes } = await fetchContent({ url: source.url, digest }, http, context).catch((error: unknown) => {
      throw isGone(error) ? withdrawn(source, error) : error;
    });
    await probeImage(path, source.format, context);
    return {
      source,
      path,
      format: source.format,
      sha256,
      bytes,
      facts: { url: maskUrl(source.url), digest: `${digest.algorithm}:${digest.hex}`, ...facts },
    };
  });
}

// Distributors delete dated releases after some months.
function withdrawn(source: CloudImage, cause: unknown): KibError {
  return new KibError('KIB_HTTP', `the image ${maskUrl(source.url)} is no longer there`, {
    hint: 'give a current one with base.url and base.sha256, or update kib-native; a Debian image can also start from base: bootstrap',
    cause,
    details: { url: maskUrl(source.url) },
  });
}
