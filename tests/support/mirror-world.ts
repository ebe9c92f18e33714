import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { findOs } from '../../src/catalog/index.ts';
import type { Arch } from '../../src/core/index.ts';
import { hurriedClock, type Served, serve, startServer, type TestServer } from './http-server.ts';
import { makeSigner, type Signer } from './openpgp.ts';
import { type CloudImage, place, publish, relocate } from './release-folder.ts';
import { type TestContext, testContext } from './test-context.ts';

/** What a test has: a mirror of cloud images, and the build that fetches from it. */
export interface MirrorWorld {
  /** Folder that is served. */
  root: string;
  server: TestServer;
  context: TestContext;
  /** Signs the lists; bases from `local` pin its key. */
  signer: Signer;
  /** Whose key no base pins. */
  stranger: Signer;
  /** Faults by path. */
  faults: Record<string, Partial<Served> | 'missing'>;
  /** Whether the server answers nothing but 503. */
  isDown: boolean;
}

/** A mirror for each test of a file, catalog entries that are there, and what became of them. */
export function mirrorWorld() {
  const world = {} as MirrorWorld;
  beforeAll(async () => {
    [world.signer, world.stranger] = await Promise.all([makeSigner(), makeSigner()]);
  });
  afterAll(async () => {
    for (const one of [world.signer, world.stranger]) await one[Symbol.asyncDispose]();
  });
  beforeEach(async () => {
    world.root = await mkdtemp(join(tmpdir(), 'kib-mirror-'));
    world.faults = {};
    world.isDown = false;
    world.context = await testContext({ clock: hurriedClock() });
    world.server = await startServer(async (req, res) => {
      const path = join(world.root, req.url ?? '');
      const fault = world.faults[req.url ?? ''];
      const bytes = fault === 'missing' ? undefined : await readFile(path).catch(() => undefined);
      if (world.isDown) res.writeHead(503).end();
      else if (bytes === undefined) res.writeHead(404).end();
      else serve(req, res, { bytes, etag: `"${(await stat(path)).mtimeMs}"`, ...(fault === 'missing' ? {} : fault) });
    });
  });
  afterEach(async () => {
    await world.server[Symbol.asyncDispose]();
    await world.context[Symbol.asyncDispose]();
    await rm(world.root, { recursive: true, force: true });
  });

  /** A catalog entry on our server, with an image and lists in its distributor's form. */
  async function local(id: string, arch: Arch = 'amd64'): Promise<CloudImage> {
    const source = cloudImage(id, arch);
    await publish(source, world.root, world.signer);
    const moved = relocate(source, world.server.url, world.signer.key);
    if (moved.checksum.kind === 'file') return moved;
    const image = await readFile(place(world.root, source.url));
    const { algorithm } = moved.checksum.digest;
    const digest = { algorithm, hex: createHash(algorithm).update(image).digest('hex') };
    return { ...moved, checksum: { ...moved.checksum, digest } };
  }

  /** Every request so far: `GET /path`. */
  const paths = () => world.server.requests.map((seen) => `${seen.method} ${seen.url}`);
  const imageBytes = (source: CloudImage) => readFile(place(world.root, source.url));
  /** Names in the folder of downloads. */
  const stored = () => readdir(join(world.context.dirs.cache, 'downloads')).catch(() => []);
  return { world, local, paths, imageBytes, stored };
}

function cloudImage(id: string, arch: Arch): CloudImage {
  const kind = id.startsWith('debian') ? 'pinned' : 'file';
  const source = findOs(id)?.bases[arch]?.find((base) => base.kind === 'cloud-image' && base.checksum.kind === kind);
  if (source?.kind !== 'cloud-image') throw new Error(`${id} has no cloud image`);
  return source;
}
