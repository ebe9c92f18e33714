import { z } from 'zod';
import { type Download, type HostFile, hostDownload, hostFile } from '../src/core/index.ts';
import { sha256Schema } from './github.ts';

/** A file the user brings: one of this host, or a URL with the digest that vouches for it. */
export type Source = HostFile | { readonly url: string; readonly sha256: string };

/** The setting that names one: a path relative to the image file, or `{ url, sha256 }`. `what` describes it. */
export function sourceSchema(what: string) {
  return z
    .union([
      hostFile(),
      z.strictObject({
        url: z.url({ protocol: /^https?$/ }).describe('Where to fetch it from'),
        sha256: sha256Schema.describe('Its digest'),
      }),
    ])
    .describe(`${what}: a path of this host, or a URL with its digest`);
}

export function sourceDownload(source: Source, why: string): Download {
  return 'url' in source ? { ...source, why } : hostDownload(source, why);
}

/** For titles: the URL, or the path. */
export function sourceName(source: Source): string {
  return 'url' in source ? source.url : source.path;
}
