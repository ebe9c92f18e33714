import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { type Requirement, sha256 } from '../../../src/core/index.ts';
import { fetchRequirements, resolveDigests } from '../../../src/engine/requirements.ts';
import { hurriedClock, startServer } from '../../support/http-server.ts';
import { testContext } from '../../support/test-context.ts';

const need = (url: string, more: Partial<Requirement> = {}): Requirement => ({
  url,
  sha256: undefined,
  checksumUrl: undefined,
  why: 'kubernetes: kubelet',
  ...more,
});

describe('resolveDigests', () => {
  it('needs no network for pinned digests', async () => {
    await using context = await testContext();
    const digests = await resolveDigests(
      [need('https://example.invalid/a', { sha256: 'aa', checksumUrl: 'https://example.invalid/b' })],
      context,
    );
    expect([...digests]).toEqual([['https://example.invalid/a', 'aa']]);
    expect(context.events).toEqual([]);
  });

  it('leaves what has a SHA-512 to whoever fetches it', async () => {
    await using context = await testContext();
    expect(await resolveDigests([need('https://example.invalid/a', { sha512: 'aa' })], context)).toEqual(new Map());
  });

  it('reads each checksum file once, from http and from disk', async () => {
    await using context = await testContext({ clock: hurriedClock() });
    await using server = await startServer((_req, res) => void res.end(`${'a'.repeat(64)}  one\n${'b'.repeat(64)}  two\n`));
    await writeFile(join(context.root, 'kubelet.sha256'), 'c'.repeat(64));
    const local = pathToFileURL(join(context.root, 'kubelet')).href;
    const checksumUrl = `${server.url}/SUMS`;
    const digests = await resolveDigests(
      [
        need(`${server.url}/one`, { checksumUrl }),
        need(`${server.url}/two`, { checksumUrl }),
        need(local, { checksumUrl: `${local}.sha256` }),
      ],
      context,
    );
    expect(Object.fromEntries(digests)).toEqual({
      [`${server.url}/one`]: 'a'.repeat(64),
      [`${server.url}/two`]: 'b'.repeat(64),
      [local]: 'c'.repeat(64),
    });
    expect(server.requests).toHaveLength(1);
    expect(context.events).toContainEqual({ type: 'span.start', kind: 'fetch', name: 'checksums' });
  });

  it.each([
    [need('https://example.invalid/a'), 'neither a digest nor a checksum file'],
    [need('file:///nonexistent/kubelet', { checksumUrl: 'file:///nonexistent/kubelet.sha256' }), 'cannot read the checksum file'],
  ])('refuses what nothing vouches for', async (requirement, message) => {
    await using context = await testContext({ clock: hurriedClock() });
    const resolving = resolveDigests([requirement], context);
    await expect(resolving).rejects.toMatchObject({
      code: 'KIB_CHECKSUM_MISSING',
      message: expect.stringContaining(message) as string,
    });
  });
});

describe('fetchRequirements', () => {
  it('brings every file once and says where it lies', async () => {
    await using context = await testContext({ clock: hurriedClock() });
    await using server = await startServer((req, res) => void res.end(req.url));
    const wanted = ['/a', '/b', '/c'].map((path) => need(`${server.url}${path}`, { sha256: sha256(path) }));
    const files = await fetchRequirements([...wanted, ...wanted], context);
    for (const { url } of wanted) expect(await readFile(files.get(url) ?? '', 'utf8')).toBe(new URL(url).pathname);
    expect(server.requests).toHaveLength(3);
  });

  it('holds a file to its SHA-512', async () => {
    await using context = await testContext({ clock: hurriedClock() });
    await using server = await startServer((req, res) => void res.end(req.url));
    const sha512 = createHash('sha512').update('/a').digest('hex');
    const files = await fetchRequirements([need(`${server.url}/a`, { sha512 })], context);
    expect(await readFile(files.get(`${server.url}/a`) ?? '', 'utf8')).toBe('/a');
    await expect(fetchRequirements([need(`${server.url}/b`, { sha512: 'b'.repeat(128) })], context)).rejects.toMatchObject({
      code: 'KIB_DIGEST_MISMATCH',
    });
  });

  it('does nothing for nothing', async () => {
    await using context = await testContext();
    expect(await fetchRequirements([], context)).toEqual(new Map());
  });

  it('stops the others at the first failure, tells that one, and leaves none behind', async () => {
    await using context = await testContext({ clock: hurriedClock() });
    await using server = await startServer((req, res) => {
      if (req.url === '/bad') setTimeout(() => res.writeHead(404).end(), 100);
      else res.writeHead(200, { 'content-length': 10 }).write('x');
    });
    const wanted = ['/slow', '/bad'].map((path) => need(`${server.url}${path}`, { sha256: sha256(path) }));
    await expect(fetchRequirements(wanted, context)).rejects.toMatchObject({ code: 'KIB_HTTP', details: { status: 404 } });
    expect(context.events.filter((event) => event.type === 'span.end')).toHaveLength(2);
    expect(context.journal.held).toEqual([]);
  });
});
