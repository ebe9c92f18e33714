import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sha256 } from '../../../../src/core/index.ts';
import { packagesDir } from '../../../../src/engine/package-cache/index.ts';
import { BYTES, DEB, INDEX, packageCacheWorld } from '../../../support/package-cache-world.ts';
import { eventually } from '../../../support/process-state.ts';

const { world, connectGuest, openCache, origin, ask, warnings } = packageCacheWorld();
const stored = (bytes: Buffer) => join(packagesDir(world.context.dirs.cache), 'files', sha256(bytes));

describe('packages', () => {
  it('come from their server once, and from the store afterwards', async () => {
    for (let time = 0; time < 3; time++) expect((await ask(DEB)).body.equals(BYTES)).toBe(true);
    expect(world.servers.log).toEqual([`GET ${DEB}`]);
    expect(world.cache.stats()).toEqual({ hits: 2, misses: 1, bytesFromCache: 2 * BYTES.length, bytesFetched: BYTES.length });
  });

  it('come from the store in another build, without any server', async () => {
    await ask(DEB);
    await world.cache[Symbol.asyncDispose]();
    await world.guest[Symbol.asyncDispose]();
    await world.servers[Symbol.asyncDispose]();
    world.guest = await connectGuest();
    world.cache = await openCache();
    expect((await ask(DEB)).body.equals(BYTES)).toBe(true);
  });

  it('are downloaded once for two builds that want them at the same time', async () => {
    let release = () => {};
    world.servers.intercept = (_req, res) => {
      res.writeHead(200, { 'content-length': BYTES.length });
      res.write(BYTES.subarray(0, 1000));
      release = () => res.end(BYTES.subarray(1000));
      return true;
    };
    await using otherGuest = await connectGuest();
    await using other = await openCache(otherGuest);
    const both = [ask(DEB), ask(DEB, {}, 'GET', other)];
    await eventually(
      () => world.cache.stats().misses + other.stats().misses === 1 && world.cache.stats().hits + other.stats().hits === 1,
    );
    release();
    for (const { body } of await Promise.all(both)) expect(body.equals(BYTES)).toBe(true);
    expect(world.servers.log).toEqual([`GET ${DEB}`]);
  });

  it('reach the guest while they are downloaded', async () => {
    let release = () => {};
    world.servers.intercept = (_req, res) => {
      res.writeHead(200, { 'content-length': BYTES.length });
      res.write(BYTES.subarray(0, 1000));
      release = () => res.end(BYTES.subarray(1000));
      return true;
    };
    const { port, token } = await origin();
    let seen = 0;
    const done = new Promise((resolve) => {
      request({ host: '127.0.0.1', port, path: `/${token}/${DEB.replace('://', '/')}`, agent: false }, (res) => {
        res.on('data', (chunk: Buffer) => (seen += chunk.length));
        res.on('end', resolve);
      }).end();
    });
    await eventually(() => seen === 999);
    release();
    await done;
    expect(seen).toBe(BYTES.length);
  });

  it('that were damaged in the store are downloaded again', async () => {
    await ask(DEB);
    const damaged = Buffer.from(BYTES);
    damaged.writeUInt8(damaged.readUInt8(5) ^ 1, 5);
    await writeFile(stored(BYTES), damaged);
    expect((await ask(DEB)).body.equals(BYTES)).toBe(true);
    await writeFile(stored(BYTES), BYTES.subarray(0, 10));
    expect((await ask(DEB)).body.equals(BYTES)).toBe(true);
    expect(world.servers.log).toHaveLength(3);
    expect((await readFile(stored(BYTES))).equals(BYTES)).toBe(true);
  });

  it('whose server breaks off are gone on with where it broke', async () => {
    let count = 0;
    world.servers.intercept = (_req, res) => {
      if (count++ > 0) return false;
      res.writeHead(200, { 'content-length': BYTES.length });
      res.write(BYTES.subarray(0, 300_000), () => setTimeout(() => res.destroy(), 50));
      return true;
    };
    expect((await ask(DEB)).body.equals(BYTES)).toBe(true);
    expect(world.servers.log).toHaveLength(2);
    expect((await ask(DEB)).body.equals(BYTES)).toBe(true);
    expect(world.servers.log).toHaveLength(2);
  });

  it('whose server always breaks off break off, and are not kept', async () => {
    world.servers.intercept = (req, res) => {
      if (req.headers.range !== undefined) res.writeHead(500).end();
      else {
        res.writeHead(200, { 'content-length': BYTES.length });
        res.write(BYTES.subarray(0, 1000), () => setTimeout(() => res.destroy(), 50));
      }
      return true;
    };
    await expect(ask(DEB)).rejects.toThrow();
    world.servers.intercept = () => false;
    expect((await ask(DEB)).body.equals(BYTES)).toBe(true);
    expect(world.cache.stats().hits).toBe(0);
  });

  it('are asked about again after a package manager failed with them', async () => {
    await ask(DEB);
    const use = world.cache.startUse();
    await ask(DEB);
    expect(use.summary()).toBe('1 of 1 files from the package cache, 683.6 KiB of 683.6 KiB');
    await use.doubt();
    await ask(DEB);
    expect(world.servers.log).toHaveLength(2);
    const another = world.cache.startUse();
    await ask(DEB);
    expect(world.servers.log).toHaveLength(2);
    world.servers.files.set(DEB, Buffer.from('rebuilt'));
    await another.doubt();
    for (let time = 0; time < 2; time++) expect((await ask(DEB)).body.toString()).toBe('rebuilt');
    expect(world.servers.log).toHaveLength(3);
  });

  it('under a name that promises other bytes are not kept', async () => {
    const url = `http://repo.example.org/dists/x/by-hash/SHA256/${'a'.repeat(64)}`;
    world.servers.files.set(url, Buffer.from('something else'));
    for (let time = 0; time < 2; time++) await expect(ask(url)).rejects.toThrow();
    expect(world.servers.log).toHaveLength(2);
    const honest = Buffer.from('index');
    const hex = createHash('sha512').update(honest).digest('hex');
    const good = `http://repo.example.org/dists/x/by-hash/SHA512/${hex}`;
    world.servers.files.set(good, honest);
    for (let time = 0; time < 2; time++) expect((await ask(good)).body).toEqual(honest);
    expect(world.servers.log).toHaveLength(3);
  });
});

describe('indexes', () => {
  it('are asked for every time, and downloaded when they changed', async () => {
    expect((await ask(INDEX)).body.toString()).toBe('one');
    expect((await ask(INDEX)).body.toString()).toBe('one');
    world.servers.files.set(INDEX, Buffer.from('another'));
    expect((await ask(INDEX)).body.toString()).toBe('another');
    expect(world.servers.log).toHaveLength(3);
    expect(world.cache.stats()).toEqual({ hits: 1, misses: 2, bytesFromCache: 3, bytesFetched: 10 });
  });

  it('are the old ones, with a warning, while their server is away', async () => {
    await ask(INDEX);
    world.servers.intercept = (_req, res) => {
      res.destroy();
      return true;
    };
    expect((await ask(INDEX)).body.toString()).toBe('one');
    expect(warnings()).toEqual(['repo.example.org does not answer; the guest gets what it said last time']);
    const asked = world.servers.log.length;
    expect((await ask(INDEX)).body.toString()).toBe('one');
    expect(world.servers.log).toHaveLength(asked);
    expect(await ask('http://repo.example.org/new')).toMatchObject({ status: 502, body: expect.anything() as Buffer });
  });

  it('are the old ones while their server is out of order, but not when it says they are gone', async () => {
    await ask(INDEX);
    let status = 503;
    world.servers.intercept = (_req, res) => {
      res.writeHead(status).end();
      return true;
    };
    expect((await ask(INDEX)).status).toBe(200);
    status = 404;
    await world.cache[Symbol.asyncDispose]();
    await world.guest[Symbol.asyncDispose]();
    world.guest = await connectGuest();
    world.cache = await openCache();
    expect((await ask(INDEX)).status).toBe(404);
  });
});
