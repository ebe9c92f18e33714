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

/** Where the digest of a download comes from. */
export type Checksum =
  | { readonly kind: 'pinned'; readonly digest: Digest }
  | {
      readonly kind: 'file';
      readonly url: string;
      readonly algorithm: DigestAlgorithm;
      /** Name to look for in the file when it is not the last part of the URL. */
      readonly entry?: string;
      /** Absent where the distributor signs nothing; then HTTPS and the dated folder are all there is, and a build says so. */
      readonly signature?: Signature;
    };

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
  | { readonly kind: 'cloud-image'; readonly url: string; readonly format: DiskFormat; readonly checksum: Checksum }
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
