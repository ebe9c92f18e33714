import { COMPRESSIONS, type Compression } from './decompress.ts';

/** One package list that apt would read. */
export interface ListFile {
  /** Below apt's folder of lists. */
  readonly name: string;
  /** Of the folder that its Release file is in; ends in a slash. */
  readonly folder: string;
  /** Below that folder, without the suffix of a compression: `main/binary-amd64/Packages`. */
  readonly path: string;
  /** How the file is compressed that is to be fetched. */
  readonly compression: Compression;
  /** SHA-256 of that file, as the guest's Release file has it. */
  readonly sha256: string;
  /** Whether the archive has files by their digest (`Acquire-By-Hash`). */
  readonly isByHash: boolean;
}

/** What a guest wants to know, from what it asked (see aptListsProgram). */
export interface Question {
  /** Names of the packages that are to be installed. */
  readonly packages: readonly string[];
  /** Names of those that are. */
  readonly installed: readonly string[];
  readonly lists: readonly ListFile[];
}

/** What one Release file says that the guest's apt verified. */
interface Release {
  /** Digests of lists by their path. */
  readonly digests: Map<string, string>;
  /** Words of a field. */
  readonly fields: Map<string, readonly string[]>;
}

/** Thrown with what stands against an excerpt; the guest then reads whole lists. */
export class NoExcerpt extends Error {}

const SUFFIX = /\.(?:gz|xz|bz2|lzma|lz4|zst)$/;
const INRELEASE = 'InRelease';

/** Reads what the program in the guest sends, one fact a line. Throws NoExcerpt. */
export function parseQuestion(text: string): Question {
  const packages: string[] = [];
  const installed: string[] = [];
  const files: { name: string; url: string }[] = [];
  const mirrors: { path: string; url: string }[] = [];
  const releases = new Map<string, Release>();
  const releaseOf = (name: string): Release => {
    const known = releases.get(name) ?? { digests: new Map(), fields: new Map() };
    releases.set(name, known);
    return known;
  };
  for (const line of text.split('\n')) {
    const [what, ...words] = line.split(' ');
    const [one = '', two = '', three = '', ...more] = words;
    if (what === 'package') packages.push(one);
    else if (what === 'installed') installed.push(one);
    else if (what === 'file') files.push({ name: one, url: two });
    else if (what === 'mirror') mirrors.push({ path: one, url: two });
    else if (what === 'digest') releaseOf(one).digests.set(three.replace(/^\.\//, ''), two);
    else if (what === 'field') releaseOf(one).fields.set(two, [three, ...more]);
    else if (line !== '') throw new NoExcerpt(`"${line}" is no part of a question`);
  }
  const led = files.map(({ name, url }) => ({ name, url: throughMirrors(url, mirrors) }));
  return { packages: packages.map(plainName), installed, lists: listFiles(led, releases) };
}

/** apt takes patterns, tasks, releases and architectures as well; of these a name is only seen in the last. */
function plainName(name: string): string {
  const [, plain] = /^([a-z0-9][a-z0-9.+-]*?)(?::[a-z0-9-]+)?$/i.exec(name) ?? [];
  if (plain === undefined) throw new NoExcerpt(`${name} is not the name of a package`);
  return plain;
}

/** apt-transport-mirror(1): the first address in a file of the guest stands for all. */
function throughMirrors(url: string, mirrors: readonly { readonly path: string; readonly url: string }[]): string {
  const [, rest] = /^mirror\+file:(?:\/\/)?(\/.*)$/.exec(url) ?? [];
  const mirror = mirrors.find(({ path }) => rest?.startsWith(`${path}/`) === true);
  return mirror === undefined || rest === undefined ? url : `${mirror.url.replace(/\/+$/, '')}${rest.slice(mirror.path.length)}`;
}

function listFiles(
  files: readonly { readonly name: string; readonly url: string }[],
  releases: ReadonlyMap<string, Release>,
): readonly ListFile[] {
  const folders = files
    .filter(({ url }) => url.endsWith(`/${INRELEASE}`))
    .map(({ name, url }) => ({ folder: url.slice(0, -INRELEASE.length), release: releases.get(name), name }));
  const bare = folders.find(({ release }) => release === undefined);
  if (bare !== undefined) throw new NoExcerpt(`${bare.folder} has no verified ${INRELEASE}`);
  return files.flatMap(({ name, url }) => {
    const plain = url.replace(SUFFIX, '');
    if (!plain.endsWith('/Packages')) return [];
    const [owner] = folders.filter(({ folder }) => plain.startsWith(folder)).sort((a, b) => b.folder.length - a.folder.length);
    if (owner?.release === undefined) throw new NoExcerpt(`nobody vouches for ${plain}`);
    const { digests, fields } = owner.release;
    const path = plain.slice(owner.folder.length).replace(/^\.\//, '');
    if (!isRead(path, owner.release)) return [];
    const compression = COMPRESSIONS.find((suffix) => digests.has(`${path}${suffix}`));
    const sha256 = digests.get(`${path}${compression}`);
    if (compression === undefined || sha256 === undefined) throw new NoExcerpt(`${plain} is there neither as gzip nor as xz`);
    return [{ name, folder: owner.folder, path, compression, sha256, isByHash: fields.get('Acquire-By-Hash')?.[0] === 'yes' }];
  });
}

/** apt does not ask for what the archive does not have, nor twice for packages of all architectures (wiki.debian.org/DebianRepository/Format). */
function isRead(path: string, { digests, fields }: Release): boolean {
  const arch = /(?:^|\/)binary-([^/]+)\/Packages$/.exec(path)?.[1];
  const architectures = fields.get('Architectures');
  if (arch !== undefined && architectures?.includes(arch) === false) return false;
  if (arch === 'all' && fields.get('No-Support-for-Architecture-all')?.[0] === 'Packages') return false;
  return [...digests.keys()].some((key) => key.replace(SUFFIX, '') === path);
}
