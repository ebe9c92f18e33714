import { createHash } from 'node:crypto';
import { isKibError } from '../../../core/index.ts';
import { isAbsent } from '../../../io/http-error.ts';
import type { Relay, Source } from '../relay.ts';
import type { PackageStore } from '../store.ts';
import { fetchable } from '../target.ts';
import { decompress } from './decompress.ts';
import { PackageGraph } from './package-graph.ts';
import { type ListFile, NoExcerpt, type Question } from './question.ts';
import { StanzaSplitter } from './stanzas.ts';

export interface ExcerptOptions {
  readonly relay: Relay;
  readonly store: PackageStore;
}

/** Part of a package list. */
export interface Excerpt {
  readonly name: string;
  /** Stanzas, each with an empty line after it. */
  readonly bytes: Buffer;
}

const EMPTY_LINE = Buffer.from('\n');

/**
 * Those packages of the lists that installing `packages` on top of `installed` can have to do with, so that apt comes to the same result as with whole lists. The
 * guest's apt verified the Release files; the lists are held against the digests in them here. Throws NoExcerpt, and KIB_HTTP for lists that cannot be had.
 */
export async function excerptOf({ packages, installed, lists }: Question, options: ExcerptOptions): Promise<readonly Excerpt[]> {
  const graph = new PackageGraph();
  const firsts: number[] = [];
  const stored: string[] = [];
  for (const list of lists) {
    firsts.push(graph.size);
    stored.push(await fetchList(list, options, (stanza) => graph.add(stanza)));
  }
  const missing = graph.missing(packages.filter((name) => !installed.includes(name)));
  if (missing.length > 0) throw new NoExcerpt(`no list has ${missing.join(', ')}`);
  const selected = graph.select([...packages, ...installed]);
  const excerpts: Excerpt[] = [];
  for (const [at, list] of lists.entries()) {
    const kept: Buffer[] = [];
    let index = firsts[at] ?? 0;
    await readStored(stored[at] ?? '', list, options.store, (stanza) => {
      if (selected[index++] === 1) kept.push(Buffer.from(stanza), EMPTY_LINE);
    });
    excerpts.push({ name: list.name, bytes: Buffer.concat(kept) });
  }
  return excerpts;
}

/** Reads a list from its archive, or from the store where it is there; returns what the store knows it by. */
async function fetchList(list: ListFile, { relay }: ExcerptOptions, take: (stanza: Buffer) => void): Promise<string> {
  const { url, source } = await openList(list, relay);
  await using open = source;
  await readList(list, open.chunks(), take);
  return url;
}

async function openList(list: ListFile, relay: Relay): Promise<{ readonly url: string; readonly source: Source }> {
  const { folder, path, compression, sha256, isByHash } = list;
  const plain = address(`${folder}${path}${compression}`);
  if (isByHash) {
    const url = address(`${folder}${path.replace(/[^/]*$/, '')}by-hash/SHA256/${sha256}`);
    try {
      return { url, source: await relay.get(url) };
    } catch (error) {
      if (!(isKibError(error) && isAbsent(error))) throw error;
    }
  }
  return { url: plain, source: await relay.get(plain) };
}

function address(url: string): string {
  const found = fetchable(url);
  if (found === undefined) throw new NoExcerpt('a repository is one that only the guest can mean');
  return found;
}

/** A second look, so that what is selected need not be kept in memory before it is known. */
async function readStored(url: string, list: ListFile, store: PackageStore, take: (stanza: Buffer) => void): Promise<void> {
  const file = await store.find(url);
  const opened = file === undefined ? undefined : await store.read(file);
  if (opened === undefined) throw new NoExcerpt(`${list.name} is not in the package cache any more`);
  await using handle = opened.handle;
  await readList(list, handle.createReadStream({ autoClose: false }), take);
}

async function readList(list: ListFile, chunks: AsyncIterable<Buffer>, take: (stanza: Buffer) => void): Promise<void> {
  const hash = createHash('sha256');
  const splitter = new StanzaSplitter(take);
  async function* hashed(): AsyncGenerator<Buffer, void, void> {
    for await (const chunk of chunks) {
      hash.update(chunk);
      yield chunk;
    }
  }
  await decompress(hashed(), list.compression, (chunk) => splitter.push(chunk));
  splitter.end();
  if (hash.digest('hex') !== list.sha256) throw new NoExcerpt(`${list.name} is not what its Release file says`);
}
