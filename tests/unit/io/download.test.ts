import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type DownloadRequest, download } from '../../../src/io/download.ts';
import { HttpClient } from '../../../src/io/http.ts';
import { type Handler, hurriedClock, type Served, serve, startServer } from '../../support/http-server.ts';

const FILE = randomBytes(6 * 1024 * 1024);
const OTHER = randomBytes(6 * 1024 * 1024);
const MiB = 1024 * 1024;
const hex = (algorithm: string, data: Buffer) => createHash(algorithm).update(data).digest('hex');

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kib-download-'));
});
afterEach(async () => {
  await rm(dir, { recursive: true, force: true });
});

/** Downloads from a server that answers by `handler`, and says what the server saw. */
async function fetchFrom(handler: Handler, more: Partial<DownloadRequest> = {}, clock = hurriedClock()) {
  await using server = await startServer(handler);
  await using http = await HttpClient.open({ clock });
  const path = join(dir, 'file');
  const request: DownloadRequest = {
    url: more.url ?? `${server.url}/image.qcow2`,
    path,
    algorithm: 'sha512',
    signal: new AbortController().signal,
    ...more,
  };
  const result = await download(http, request).then(
    (digested) => ({ digested, error: undefined }),
    (error: unknown) => ({ digested: undefined, error }),
  );
  return {
    ...result,
    bytes: await readFile(path).catch(() => undefined),
    ranges: server.requests.map((seen) => seen.headers.range),
    files: (await readdir(dir)).sort(),
  };
}

const answers =
  (...steps: readonly Served[]): Handler =>
  (req, res, count) =>
    serve(req, res, steps[Math.min(count, steps.length) - 1] as Served);

describe('download', () => {
  it('writes the file, tells its digests and leaves nothing else', async () => {
    const progress: [number, number | undefined][] = [];
    const got = await fetchFrom(answers({ bytes: FILE, etag: '"1"' }), { onProgress: (...at) => progress.push(at) });
    expect(got.bytes?.equals(FILE)).toBe(true);
    expect(got.digested).toEqual({ bytes: FILE.length, digests: { sha256: hex('sha256', FILE), sha512: hex('sha512', FILE) } });
    expect(got.files).toEqual(['file']);
    expect(progress.at(-1)).toEqual([FILE.length, FILE.length]);
    expect(progress.every(([, total]) => total === FILE.length)).toBe(true);
  });

  it.each<[string, Partial<Served>]>([
    ['ETag', { etag: '"1"' }],
    ['Last-Modified', { lastModified: 'Sat, 26 Sep 2026 10:00:00 GMT' }],
  ])('goes on where the connection was cut, tied to the version by its %s', async (_name, version) => {
    const got = await fetchFrom(answers({ bytes: FILE, ...version, cutAfter: 2 * MiB }, { bytes: FILE, ...version }));
    expect(got.bytes?.equals(FILE)).toBe(true);
    expect(got.digested?.digests.sha256).toBe(hex('sha256', FILE));
    expect(got.ranges).toEqual([undefined, `bytes=${2 * MiB}-`]);
  });

  it('starts again when the file changed in between', async () => {
    const got = await fetchFrom(answers({ bytes: FILE, etag: '"1"', cutAfter: 2 * MiB }, { bytes: OTHER, etag: '"2"' }));
    expect(got.ranges).toEqual([undefined, `bytes=${2 * MiB}-`]);
    expect(got.bytes?.equals(OTHER)).toBe(true);
    expect(got.digested?.digests.sha256).toBe(hex('sha256', OTHER));
  });

  it('starts again when the server ignores ranges', async () => {
    const got = await fetchFrom(
      answers({ bytes: FILE, etag: '"1"', cutAfter: 2 * MiB }, { bytes: FILE, etag: '"1"', ignoreRange: true }),
    );
    expect(got.bytes?.equals(FILE)).toBe(true);
  });

  it.each<[string, Partial<Served>]>([
    ['no', {}],
    ['a weak', { etag: 'W/"1"' }],
  ])('never resumes with %s validator', async (_name, version) => {
    const got = await fetchFrom(answers({ bytes: FILE, ...version, cutAfter: 2 * MiB }, { bytes: FILE, ...version }));
    expect(got.ranges).toEqual([undefined, undefined]);
    expect(got.bytes?.equals(FILE)).toBe(true);
  });

  it('refuses a partial answer for other bytes than it asked for', async () => {
    const got = await fetchFrom((req, res, count) => {
      if (count !== 2) return serve(req, res, { bytes: FILE, etag: '"1"', ...(count === 1 ? { cutAfter: 2 * MiB } : {}) });
      res
        .writeHead(206, { 'content-range': `bytes 0-${FILE.length - 1}/${FILE.length}`, 'content-length': FILE.length })
        .end(FILE);
    });
    expect(got.ranges).toEqual([undefined, `bytes=${2 * MiB}-`, undefined]);
    expect(got.bytes?.equals(FILE)).toBe(true);
  });

  it('resumes what an earlier process left, and only for the same URL', async () => {
    const first = await fetchFrom(answers({ bytes: FILE, etag: '"1"', cutAfter: MiB }), { url: 'http://127.0.0.1:1/refused' });
    expect(first.error).toMatchObject({ code: 'KIB_HTTP' });
    await using server = await startServer(answers({ bytes: FILE, etag: '"1"', cutAfter: MiB }));
    await using http = await HttpClient.open({ clock: hurriedClock() });
    const abort = new AbortController();
    const url = `${server.url}/image.qcow2`;
    const request = { url, path: join(dir, 'file'), algorithm: 'sha256' as const, signal: abort.signal };
    const onRetry = () => abort.abort(new Error('killed'));
    await expect(download(http, { ...request, onRetry })).rejects.toMatchObject({ code: 'KIB_CANCELLED' });
    expect((await readdir(dir)).sort()).toEqual(['file', 'file.json']);

    await using later = await HttpClient.open({ clock: hurriedClock() });
    const { signal } = new AbortController();
    await using whole = await startServer(answers({ bytes: OTHER, etag: '"1"' }));
    const other = await download(later, { ...request, path: join(dir, 'other'), url: `${whole.url}/image.qcow2`, signal });
    expect(other.digests.sha256).toBe(hex('sha256', OTHER));

    await writeFile(join(dir, 'file.json'), JSON.stringify({ url: `${whole.url}/else`, validator: '"1"' }));
    await download(later, { ...request, url: `${whole.url}/image.qcow2`, signal });
    expect(whole.requests.map((seen) => seen.headers.range)).toEqual([undefined, undefined]);
  });

  it('takes a part that is whole already', async () => {
    await writeFile(join(dir, 'file'), FILE);
    await using server = await startServer(answers({ bytes: FILE, etag: '"1"' }));
    await using http = await HttpClient.open({ clock: hurriedClock() });
    const url = `${server.url}/image.qcow2`;
    await writeFile(join(dir, 'file.json'), JSON.stringify({ url, validator: '"1"' }));
    const { signal } = new AbortController();
    const got = await download(http, { url, path: join(dir, 'file'), algorithm: 'sha256', signal });
    expect(got.digests.sha256).toBe(hex('sha256', FILE));
    expect(server.requests).toHaveLength(1);
  });

  it('drops a part that is longer than the file', async () => {
    await writeFile(join(dir, 'file'), Buffer.concat([FILE, FILE]));
    await using server = await startServer(answers({ bytes: FILE, etag: '"1"' }));
    await using http = await HttpClient.open({ clock: hurriedClock() });
    const url = `${server.url}/image.qcow2`;
    await writeFile(join(dir, 'file.json'), JSON.stringify({ url, validator: '"1"' }));
    const { signal } = new AbortController();
    const got = await download(http, { url, path: join(dir, 'file'), algorithm: 'sha256', signal });
    expect(got.digests.sha256).toBe(hex('sha256', FILE));
  });

  it('cuts a stalled transfer and resumes it', async () => {
    const got = await fetchFrom(
      answers({ bytes: FILE, etag: '"1"', stallAfter: 3 * MiB }, { bytes: FILE, etag: '"1"' }),
      {},
      hurriedClock(200),
    );
    expect(got.ranges).toEqual([undefined, `bytes=${3 * MiB}-`]);
    expect(got.bytes?.equals(FILE)).toBe(true);
  });

  it('gives up on a server that drips', async () => {
    const drip: Handler = (_req, res) => {
      res.writeHead(200, { 'content-length': 1000 });
      const timer = setInterval(() => res.write('x'), 20);
      res.on('close', () => clearInterval(timer));
    };
    const got = await fetchFrom(drip, {}, hurriedClock(300));
    expect(got.error).toMatchObject({ code: 'KIB_HTTP', message: expect.stringMatching(/stalled: \d+ bytes in 30 s/) as string });
    expect(got.ranges).toHaveLength(5);
  });

  it('gives up on a server that cuts every time at the same place', async () => {
    const got = await fetchFrom(answers({ bytes: FILE, cutAfter: 2 * MiB }));
    expect(got.error).toMatchObject({ code: 'KIB_HTTP', retryable: true });
    expect(got.files).toEqual([]);
    // The first try got somewhere; the five after it did not get further.
    expect(got.ranges.length).toBeLessThanOrEqual(6);
  });

  it('takes as many tries as it needs while each one gets on', async () => {
    const got = await fetchFrom((req, res) => serve(req, res, { bytes: FILE, etag: '"1"', cutAfter: MiB }));
    expect(got.bytes?.equals(FILE)).toBe(true);
    expect(got.ranges).toHaveLength(6);
  });

  it('reports that the disk is too small before it fills it', async () => {
    const got = await fetchFrom((_req, res) => {
      res.writeHead(200, { 'content-length': 2 ** 60 }).write('x');
    });
    expect(got.error).toMatchObject({ code: 'KIB_DISK_FULL', message: expect.stringContaining('1048576.0 TiB') as string });
    expect(got.ranges).toHaveLength(1);
  });
});
