import { type DigestAlgorithm, KibError, maskUrl } from '../core/index.ts';

export interface ChecksumQuery {
  /** File name to look for. */
  readonly name: string;
  readonly algorithm: DigestAlgorithm;
  /** Where the text is from, for messages. */
  readonly url: string;
}

/** One line of a checksum file. */
export interface ChecksumEntry {
  readonly name: string;
  /** Lower case. */
  readonly hex: string;
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
  const fitting = checksumEntries(text, query.algorithm);
  const found = new Set(fitting.filter((entry) => entry.name === query.name).map((entry) => entry.hex));
  const [hex] = found;
  if (hex !== undefined && found.size === 1) return hex;
  const wanted = `the ${query.algorithm} digest of ${query.name}`;
  if (found.size > 1) {
    throw new KibError('KIB_CHECKSUM_MISSING', `${maskUrl(query.url)} has ${found.size} different entries for ${wanted}`, {
      hint: 'tell the distributor; until then give the image’s own digest',
    });
  }
  throw notListed(query, wanted, fitting);
}

/** Every digest of that algorithm in a checksum file, in its order. */
export function checksumEntries(text: string, algorithm: DigestAlgorithm): readonly ChecksumEntry[] {
  const entries = text.split('\n').flatMap((line) => parseLine(line.trim(), algorithm));
  return entries.filter((entry) => entry.hex.length === HEX_LENGTH[algorithm]);
}

/**
 * The entry whose name fits `query.name`, in which `*` stands for any text; of several the newest, which has the highest numbers in its
 * name. Throws KIB_CHECKSUM_MISSING when none fits, or the newest is named with different digests.
 */
export function newestEntry(text: string, query: ChecksumQuery): ChecksumEntry {
  const parts = query.name.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  const pattern = new RegExp(`^${parts.join('.*')}$`);
  const entries = checksumEntries(text, query.algorithm);
  const fitting = entries.filter(({ name }) => pattern.test(name)).map(({ name }) => name);
  const newest = fitting.sort((a, b) => a.localeCompare(b, 'en', { numeric: true })).at(-1);
  if (newest === undefined) throw notListed(query, `a ${query.algorithm} digest of any ${query.name}`, entries);
  return { name: newest, hex: findChecksum(text, { ...query, name: newest }) };
}

function notListed(query: ChecksumQuery, wanted: string, entries: readonly ChecksumEntry[]): KibError {
  const got = entries.length === 0 ? 'it holds no such digests' : `it names ${entries.length} other files`;
  return new KibError('KIB_CHECKSUM_MISSING', `${maskUrl(query.url)} does not give ${wanted}: ${got}`, {
    hint: 'check that the checksum file belongs to this file and version',
    details: { names: entries.slice(0, 20).map((entry) => entry.name) },
  });
}

function parseLine(line: string, algorithm: DigestAlgorithm): ChecksumEntry[] {
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
