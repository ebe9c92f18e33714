import { createHash, randomBytes } from 'node:crypto';
import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { Context, Digest } from '../../../src/core/index.ts';
import { contentPath, fetchContent } from '../../../src/engine/content-store.ts';
import { withHttp } from '../../../src/io/http.ts';
import { hurriedClock, serve, startServer } from '../../support/http-server.ts';
import { type TestContext, testContext } from '../../support/test-context.ts';

const FILE = randomBytes(3 * 1024 * 1024);
const OTHER = randomBytes(FILE.length);
const digestOf = (data: Buffer, algorithm: Digest['algorithm'] = 'sha256'): Digest => ({
  algorithm,
  hex: createHash(algorithm).update(data).digest('hex'),
});
const fetch = (url: string, digest: Digest, context: Context) =>
  withHttp(context, (http) => fetchContent({ url, digest }, http, context));
const downloads = (context: Context) => readdir(join(context.dirs.cache, 'downloads')).then((names) => names.sort());
const cachedSpans = (context: TestContext) =>
  context.events.filter((event) => event.type === 'span.end' && event.status === 'cached').length;

describe('fetchContent', () => {
  it('downloads once, read-only, and takes it from the cache afterwards', async () => {
    await using context = await testContext({ clock: hurriedClock() });
    await using server = await startServer((req, res) => serve(req, res, { bytes: FILE, etag: '"1"' }));
    const digest = digestOf(FILE, 'sha512');
    const first = await fetch(`${server.url}/disk.qcow2`, digest, context);
    expect(first).toEqual({ path: contentPath(context.dirs.cache, digest), sha256: digestOf(FILE).hex, bytes: FILE.length });
    expect((await readFile(first.path)).equals(FILE)).toBe(true);
    expect((await stat(first.path)).mode & 0o777).toBe(0o444);
    expect(await fetch(`${server.url}/disk.qcow2`, digest, context)).toEqual(first);
    expect(server.requests).toHaveLength(1);
    expect(cachedSpans(context)).toBe(1);
    expect(context.events).toContainEqual({ type: 'span.start', kind: 'fetch', name: 'disk.qcow2' });
    expect(context.events).toContainEqual({ type: 'span.progress', done: FILE.length, total: FILE.length, unit: 'bytes' });
    expect(await downloads(context)).toEqual([`sha512-${digest.hex}`, `sha512-${digest.hex}.json`]);
    expect(context.journal.held).toEqual([]);
  });

  it('never uses, keeps or retries a file with another digest', async () => {
    await using context = await testContext({ clock: hurriedClock() });
    await using server = await startServer((req, res) => serve(req, res, { bytes: OTHER, etag: '"1"' }));
    await expect(fetch(`${server.url}/disk.qcow2`, digestOf(FILE), context)).rejects.toMatchObject({
      code: 'KIB_DIGEST_MISMATCH',
      retryable: false,
      message: `${server.url}/disk.qcow2 is not the file that was pinned: want sha256 ${digestOf(FILE).hex}, got ${digestOf(OTHER).hex}`,
    });
    expect(server.requests).toHaveLength(1);
    expect(await downloads(context)).toEqual([]);
    expect(context.journal.held).toEqual([]);
  });

  it('shares one download between builds', async () => {
    await using context = await testContext({ clock: hurriedClock() });
    await using server = await startServer((req, res) => {
      setTimeout(() => serve(req, res, { bytes: FILE, etag: '"1"' }), 100);
    });
    const results = await Promise.all([1, 2, 3, 4].map(() => fetch(`${server.url}/disk.qcow2`, digestOf(FILE), context)));
    expect(new Set(results.map((result) => result.path)).size).toBe(1);
    expect(server.requests).toHaveLength(1);
    expect(cachedSpans(context)).toBe(3);
  });

  it('leaves a part when aborted, and goes on there', async () => {
    await using context = await testContext({ clock: hurriedClock() });
    await using server = await startServer((req, res, count) =>
      serve(req, res, { bytes: FILE, etag: '"1"', ...(count === 1 ? { stallAfter: 1024 * 1024 } : {}) }),
    );
    const abort = new AbortController();
    const aborted = fetch(`${server.url}/disk.qcow2`, digestOf(FILE), { ...context, signal: abort.signal });
    setTimeout(() => abort.abort(new Error('SIGINT')), 200);
    await expect(aborted).rejects.toMatchObject({ code: 'KIB_CANCELLED' });
    const name = `sha256-${digestOf(FILE).hex}`;
    expect(await downloads(context)).toEqual([`${name}.part`, `${name}.part.json`]);
    expect(context.journal.held).toEqual([]);
    await fetch(`${server.url}/disk.qcow2`, digestOf(FILE), context);
    expect(server.requests.map((seen) => seen.headers.range)).toEqual([undefined, `bytes=${1024 * 1024}-`]);
    expect(await downloads(context)).toEqual([name, `${name}.json`]);
  });

  it('reads a cached file again when it was touched, and replaces a damaged one', async () => {
    await using context = await testContext({ clock: hurriedClock() });
    await using server = await startServer((req, res) => serve(req, res, { bytes: FILE, etag: '"1"' }));
    const { path } = await fetch(`${server.url}/disk.qcow2`, digestOf(FILE), context);
    await chmod(path, 0o644);
    await fetch(`${server.url}/disk.qcow2`, digestOf(FILE), context);
    expect(server.requests).toHaveLength(1);
    expect((await stat(path)).mode & 0o777).toBe(0o444);
    await chmod(path, 0o644);
    await writeFile(path, OTHER);
    const again = await fetch(`${server.url}/disk.qcow2`, digestOf(FILE), context);
    expect((await readFile(again.path)).equals(FILE)).toBe(true);
    expect(server.requests).toHaveLength(2);
    expect(context.events.filter((event) => event.type === 'warning')).toHaveLength(1);
  });

  it('adopts a file that was put into the cache by hand', async () => {
    await using context = await testContext({ clock: hurriedClock() });
    const path = contentPath(context.dirs.cache, digestOf(FILE));
    await mkdir(join(context.dirs.cache, 'downloads'));
    await writeFile(path, FILE);
    expect(await fetch('http://127.0.0.1:1/disk.qcow2', digestOf(FILE), context)).toMatchObject({ path });
  });

  it('reads a file: URL where it lies', async () => {
    await using context = await testContext({ clock: hurriedClock() });
    const path = join(context.root, 'kube let');
    await writeFile(path, FILE);
    const url = pathToFileURL(path).href;
    expect(await fetch(url, digestOf(FILE), context)).toEqual({ path, sha256: digestOf(FILE).hex, bytes: FILE.length });
    await expect(fetch(url, digestOf(OTHER), context)).rejects.toMatchObject({ code: 'KIB_DIGEST_MISMATCH' });
    expect((await readFile(path)).equals(FILE)).toBe(true);
    await expect(fetch(`${url}.gone`, digestOf(FILE), context)).rejects.toMatchObject({ code: 'KIB_HOST_PERMISSION' });
  });
});
