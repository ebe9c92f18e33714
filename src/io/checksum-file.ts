import { type DigestAlgorithm, KibError, maskUrl } from '../core/index.ts';

export interface ChecksumQuery {
  /** File name to look for. */
  readonly name: string;
  readonly algorithm: DigestAlgorithm;
  /** Where the text is from, for messages. */
  readonly url: string;
}

const HEX_LENGTH: Readonly<Record<DigestAlgorithm, number>> = { sha256: 64, sha512: 128 };
/** sha256sum(1): `<hex>  name`, or ` *name` for binary mode. */
const GNU = /^([0-9a-fA-F]+) [ *](.+)$/;
/** sha256sum --tag, as BSD's sha256(1) and openssl-dgst(1) write it: `SHA256 (name) = <hex>`. */
const BSD = /^(SHA\d+) ?\((.+)\) ?= ?([0-9a-fA-F]+)$/;

/**
 * The lower-case hex digest of one file, from a checksum file in sha256sum(1) or BSD form, or holding a digest alone. A file may be
 * named more than once with the same digest. Throws KIB_CHECKSUM_MISSING when it is not named or named with different ones.
 */
export function findChecksum(text: string, query: ChecksumQuery): string {
  const length = HEX_LENGTH[query.algorithm];
  const alone = text.trim();
  if (alone.length === length && /^[0-9a-fA-F]+$/.test(alone)) return alone.toLowerCase();
  const entries = text.split('\n').flatMap((line) => parseLine(line.trim(), query.algorithm));
  const fitting = entries.filter((entry) => entry.hex.length === length);
  const found = new Set(fitting.filter((entry) => entry.name === query.name).map((entry) => entry.hex));
  const [hex] = found;
  if (hex !== undefined && found.size === 1) return hex;
  const wanted = `the ${query.algorithm} digest of ${query.name}`;
  if (found.size > 1) {
    throw new KibError('KIB_CHECKSUM_MISSING', `${maskUrl(query.url)} has ${found.size} different entries for ${wanted}`, {
      hint: 'tell the distributor; until then give the image’s own digest',
    });
  }
  const got = fitting.length === 0 ? 'it holds no such digests' : `it names ${fitting.length} other files`;
  throw new KibError('KIB_CHECKSUM_MISSING', `${maskUrl(query.url)} does not give ${wanted}: ${got}`, {
    hint: 'check that the checksum file belongs to this file and version',
    details: { names: fitting.slice(0, 20).map((entry) => entry.name) },
  });
}

function parseLine(line: string, algorithm: DigestAlgorithm): { readonly name: string; readonly hex: string }[] {
  const [, tag, taggedName, taggedHex] = BSD.exec(line) ?? [];
  if (tag !== undefined && taggedName !== undefined && taggedHex !== undefined) {
    return tag.toLowerCase() === algorithm ? [{ name: plain(taggedName), hex: taggedHex.toLowerCase() }] : [];
  }
  const [, hex, name] = GNU.exec(line) ?? [];
  return hex === undefined || name === undefined ? [] : [{ name: plain(name), hex: hex.toLowerCase() }];
}

function plain(name: string): string {
  return name.startsWith('./') ? name.slice(2) : name;
}
