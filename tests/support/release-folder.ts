import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { BaseSource, ChecksumList, PinnedKey, Signature } from '../../src/core/index.ts';
import type { Signer } from './openpgp.ts';

/** A catalog entry that is downloaded. */
export type CloudImage = Extract<BaseSource, { kind: 'cloud-image' }>;

const exec = promisify(execFile);

/** Writes a qcow2 image of some MiB that holds random data, as qemu-img makes it. */
export async function makeQcow2(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(`${path}.raw`, randomBytes(4 * 1024 * 1024));
  await exec('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', `${path}.raw`, path]);
  await rm(`${path}.raw`);
}

/**
 * Lays out a mirror below `root` for a catalog source, in its distributor's form: the image, the checksum file and its signature at the paths
 * that the source's URLs name.
 */
export async function publish(source: CloudImage, root: string, signer: Signer): Promise<void> {
  const image = place(root, wholeUrl(source.url));
  await makeQcow2(image);
  if (listOf(source) !== undefined) await sign(source, root, signer);
}

/** Writes checksum file and signature anew for the image as it is now. */
export async function sign(source: CloudImage, root: string, signer: Signer): Promise<void> {
  const list = listOf(source);
  if (list === undefined) throw new Error('this source has no checksum file');
  const { url, algorithm, signature } = list;
  const image = place(root, wholeUrl(source.url));
  const name = image.slice(dirname(image).length + 1);
  const hex = createHash(algorithm)
    .update(await readFile(image))
    .digest('hex');
  // Rocky's lists hold BSD lines after a comment, some of them twice; Ubuntu's and Debian's come from sha256sum and sha512sum.
  const rocky = [`# ${name}: ${(await stat(image)).size} bytes`, `SHA256 (${name}) = ${hex}`];
  const text = /\/CHECKSUM$|SHA256SUM$/.test(url)
    ? [`SHA256 (other.qcow2) = ${'0'.repeat(64)}`, ...rocky, ...rocky]
    : [`${'0'.repeat(hex.length)} *other.img`, `${hex} ${algorithm === 'sha256' ? '*' : ' '}${name}`];
  const document = `${text.join('\n')}\n`;
  await writeFile(place(root, url), signature?.kind === 'clearsigned' ? await signer.clearsign(document) : document);
  if (signature?.kind === 'detached') await writeFile(place(root, signature.url), await signer.detach(document));
}

/** The same source, from another server and signed by another key. */
export function relocate(source: CloudImage, server: string, key: PinnedKey): CloudImage {
  // Not through URL: it would encode the `*` of an open name.
  const move = (url: string) => url.replace(/^https?:\/\/[^/]+/, server);
  const { checksum, archives } = source;
  const list = listOf(source);
  const moved = list === undefined ? undefined : { ...list, url: move(list.url), ...signedBy(list.signature, move, key) };
  return {
    ...source,
    url: move(source.url),
    ...(archives === undefined ? {} : { archives: archives.map(move) }),
    checksum:
      checksum.kind === 'pinned' ? { ...checksum, ...(moved === undefined ? {} : { list: moved }) } : { ...checksum, ...moved },
  };
}

function signedBy(signature: Signature | undefined, move: (url: string) => string, key: PinnedKey) {
  if (signature === undefined) return {};
  return { signature: signature.kind === 'detached' ? { ...signature, url: move(signature.url), key } : { ...signature, key } };
}

function listOf({ checksum }: CloudImage): ChecksumList | undefined {
  return checksum.kind === 'pinned' ? checksum.list : checksum;
}

/** A URL whose name is left open, with the name of a build. */
export function wholeUrl(url: string, build = '1-20260810'): string {
  return url.replaceAll('*', build);
}

/** Where a URL's file lies below `root`. */
export function place(root: string, url: string): string {
  return join(root, new URL(url).pathname);
}
