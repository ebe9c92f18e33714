import type { Digest } from '../../core/index.ts';

const PACKAGE = /\.(?:u?deb|d?rpm)$/;
/** Acquire-By-Hash of the Debian repository format, and createrepo_c's unique names. */
const NAMED_BY_DIGEST = [/\/by-hash\/SHA(?:256|512)\/([0-9a-f]+)$/, /\/repodata\/([0-9a-f]+)-[^/]+$/];

/** The digest that a file's address promises. */
export function namedDigest(url: string): Digest | undefined {
  const { pathname } = new URL(url);
  const hex = NAMED_BY_DIGEST.map((pattern) => pattern.exec(pathname)?.[1]).find((found) => found !== undefined);
  if (hex?.length === 64) return { algorithm: 'sha256', hex };
  return hex?.length === 128 ? { algorithm: 'sha512', hex } : undefined;
}

/** Whether what lies at this address never changes: archives give every version of a package a name of its own. */
export function isImmutable(url: string): boolean {
  return PACKAGE.test(new URL(url).pathname) || namedDigest(url) !== undefined;
}
