import type { Arch } from '../../core/index.ts';

/** Where the index of one package repository is found, and what of it a guest reads. */
export interface RepositorySource {
  /** The files that hold the index, below a mirror, the first there is counts: `dists/trixie/InRelease`. */
  readonly paths: readonly string[];
  /** URLs of folders that hold the same, or of a list of such. Either may hold a login; never empty. */
  readonly mirrors: readonly string[] | MirrorList;
  /** Of apt: the package indexes that the guest reads. */
  readonly apt?: AptIndexes;
}

/** A list of mirrors on a server: URLs line by line, or a Metalink that holds the digest of the index itself. */
export interface MirrorList {
  readonly url: string;
  /** Tells lists apart that differ in their query alone: `baseos`. */
  readonly name: string;
}

export interface AptIndexes {
  readonly arch: Arch;
  /** Empty for a flat repository, which has none. */
  readonly components: readonly string[];
}

/** What is not watched, and why; for people. */
export interface Unwatched {
  readonly what: string;
  readonly why: string;
}

export interface SourceList {
  readonly sources: readonly RepositorySource[];
  readonly unwatched: readonly Unwatched[];
}

/** The URL of a path below a mirror. Both keep what they escape; only slashes between them are made one. */
export function below(mirror: string, path: string): string {
  return `${mirror.replace(/\/+$/, '')}/${path.replace(/^\/+/, '')}`;
}
