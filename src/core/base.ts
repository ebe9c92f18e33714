import type { Digest, DigestAlgorithm } from './digest.ts';

export type DiskFormat = 'qcow2' | 'raw' | 'vmdk';

/** An OpenPGP public key that a signature must verify against. */
export interface PinnedKey {
  /** Upper-case hex, 40 digits: what gpgv must report as the signer (primary key or its subkey). */
  readonly fingerprint: string;
  /** Who owns it. */
  readonly owner: string;
  /** ASCII-armoured public key block (RFC 9580 §6.2). */
  readonly armored: string;
}

/** A distributor's file of digests. */
export interface ChecksumList {
  readonly url: string;
  readonly algorithm: DigestAlgorithm;
  /** Name to look for in the file when it is not the last part of the URL. */
  readonly entry?: string;
  /** Absent where the distributor signs nothing; then HTTPS and the dated folder are all there is, and a build says so. */
  readonly signature?: Signature;
}

/** Where the digest of a download comes from. */
export type Checksum =
  | {
      readonly kind: 'pinned';
      readonly digest: Digest;
      /** Where its distributor gives the same digest. No build reads it: `catalog check` compares. */
      readonly list?: ChecksumList;
    }
  | ({ readonly kind: 'file' } & ChecksumList);

export type Signature =
  | { readonly kind: 'detached'; readonly url: string; readonly key: PinnedKey }
  | { readonly kind: 'clearsigned'; readonly key: PinnedKey };

/** How an Amazon machine image is found: by id, by an SSM parameter that holds its id, or as the newest of its owner whose name fits. */
export type AmiSelector =
  | { readonly id: string }
  | { readonly ssmParameter: string }
  | {
      /** Account id, or `amazon`. */
      readonly owner: string;
      /** With `*` and `?`, as DescribeImages' name filter takes it. */
      readonly name: string;
    };

/** Where a base image comes from. */
export type BaseSource =
  | {
      readonly kind: 'cloud-image';
      /** With `*` in its last part where only the checksum file knows the whole name; then its newest entry that fits is meant. */
      readonly url: string;
      readonly format: DiskFormat;
      readonly checksum: Checksum;
      /** Where the very same file is found once it is gone from the URL, asked in turn: archives of past releases. Only beside a pinned digest. */
      readonly archives?: readonly string[];
    }
  /** An image that Amazon EC2 already has. */
  | { readonly kind: 'ami'; readonly ami: AmiSelector }
  /** A virtual machine, template or content-library item that the hypervisor already has, by its name. */
  | { readonly kind: 'template'; readonly name: string }
  | { readonly kind: 'file'; readonly path: string; readonly format: DiskFormat; readonly digest?: Digest }
  | {
      readonly kind: 'bootstrap';
      /** Debian suite, `trixie`. */
      readonly suite: string;
      /** Archive to install from; without it the host's own apt configuration, else mmdebstrap's default. */
      readonly mirror?: string;
      /** Packages beyond what a bootable cloud guest needs. */
      readonly packages: readonly string[];
    };

export type BaseKind = BaseSource['kind'];

/** A base that only its hypervisor has: found there, never fetched. */
export interface RemoteBase {
  readonly kind: 'remote';
  readonly source: RemoteSource;
  /** What the driver knows it by: `ami-0abc…`. */
  readonly id: string;
  /** Digest of what tells its content: id, and a serial or modification time where the id outlives its content. Part of layer keys. */
  readonly sha256: string;
  /** Facts for the manifest: name, owner, creation date. */
  readonly facts: Readonly<Record<string, string>>;
}

export type RemoteSource = Extract<BaseSource, { kind: 'ami' | 'template' }>;
export type LocalSource = Exclude<BaseSource, RemoteSource>;

/** A base image on this host, digest verified or computed. It is only ever read. */
export interface BaseImage {
  readonly source: BaseSource;
  readonly path: string;
  readonly format: DiskFormat;
  readonly sha256: string;
  /** Bytes of the file. */
  readonly bytes: number;
  /** Facts for the manifest: package list digest, serial, which signature verified. */
  readonly facts: Readonly<Record<string, string>>;
}
