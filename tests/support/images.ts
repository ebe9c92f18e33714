import { copyFile, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { z } from 'zod';
import type { Registry } from '../../src/config/schema.ts';
import { type Artifact, type BaseSource, type Exporter, type Recipe, sha256 } from '../../src/core/index.ts';
import type { BuildRequest, CacheMode } from '../../src/engine/request.ts';
import { type FakeDriver, fakeDriver } from './fake-driver.ts';
import { good, recipe } from './house.ts';
import { resolvedImage } from './plan.ts';
import { testRegistry } from './registry.ts';

/** Images that are built on one host, their machines in this process. */
export interface Images {
  readonly dir: string;
  readonly stateHome: string;
  readonly cacheHome: string;
  readonly outputDir: string;
  readonly fake: FakeDriver;
  /** A wish to build one. Layers are kept only when asked for. */
  request(
    name: string,
    parts?: { readonly recipes?: readonly Recipe[]; readonly base?: BaseSource; readonly cache?: CacheMode },
  ): BuildRequest;
}

/** The folder goes with the test. `onStep` is called wherever a machine would take its time, with the name of the step. */
export async function images(onStep?: (what: string) => unknown): Promise<Images> {
  const dir = await mkdtemp(join(tmpdir(), 'kib-images-'));
  const fake = fakeDriver(onStep);
  onTestFinished(async () => {
    await fake[Symbol.asyncDispose]();
    await rm(dir, { recursive: true, force: true });
  });
  const path = join(dir, 'base.raw');
  const file: BaseSource = { kind: 'file', path, format: 'raw' };
  await writeFile(path, Buffer.alloc(1 << 20));
  const homes = { stateHome: join(dir, 'state'), cacheHome: join(dir, 'cache'), outputDir: join(dir, 'output') };
  return {
    dir,
    fake,
    ...homes,
    request: (name, { recipes = [good], base = file, cache = 'off' } = {}) => ({
      image: resolvedImage(
        'debian13',
        { name, formats: ['raw'] },
        {
          registry: [...recipes, recipe('seal', [])],
          driver: fake.driver,
          base,
          exporters: [{ exporter: rawExporter, options: {} }],
        },
      ),
      verify: false,
      force: false,
      onError: 'cleanup',
      cache,
      ...homes,
    }),
  };
}

/** The test registry with machines in this process, which go with the test. */
export function fakeRegistry(onStep?: (what: string) => unknown) {
  const fake = fakeDriver(onStep);
  onTestFinished(() => fake[Symbol.asyncDispose]());
  const options = z.strictObject({});
  const registry: Registry = {
    ...testRegistry,
    drivers: [{ ...fake.driver, options }],
    exporters: [{ ...rawExporter, options }],
  };
  return { fake, registry: () => Promise.resolve(registry) };
}

const rawExporter: Exporter = {
  format: 'raw',
  summary: 'copies the disk',
  options: z.unknown(),
  tools: [],
  async export(disk, subject, outputDir): Promise<Artifact> {
    const path = join(outputDir, `${subject.name}.raw`);
    await copyFile(disk.path, path);
    const bytes = (await stat(path)).size;
    return { format: 'raw', path, bytes, sha256: sha256(await readFile(path)), disk: { format: 'raw', offset: 0, bytes } };
  },
};
