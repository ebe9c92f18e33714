import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { z } from 'zod';
import { buildWithProgress } from '../../../examples/embed-build/progress.ts';
import type { Recipe } from '../../../src/core/index.ts';
import { fakeDriver } from '../../support/fake-driver.ts';
import { bad, fakePrograms, good, list, rawExporter, seal } from '../../support/house.ts';
import { testRegistry } from '../../support/registry.ts';

let dir: string;
let removePrograms: () => Promise<void>;
beforeAll(async () => {
  removePrograms = await fakePrograms();
  dir = await mkdtemp(join(tmpdir(), 'kib-embed-'));
  await writeFile(join(dir, 'base.raw'), Buffer.alloc(1 << 20));
});
afterAll(async () => {
  await removePrograms();
  await rm(dir, { recursive: true });
});

/** Builds with the example's reader, on a fake driver; the registry has these recipes alone, since their scripts run on this host. */
async function run(recipe: Recipe, output: string) {
  await using fake = fakeDriver();
  const driver = { ...fake.driver, options: z.strictObject({}) };
  const said: string[] = [];
  const outcome = buildWithProgress(
    { image: 'debian13', formats: ['raw'], base: { file: join(dir, 'base.raw'), format: 'raw' } },
    (text) => said.push(text),
    {
      registry: { ...testRegistry, recipes: [recipe, seal], drivers: [driver], exporters: [rawExporter()] },
      outputDir: join(dir, output),
      stateHome: join(dir, 'state'),
      cacheHome: join(dir, 'cache'),
      verify: false,
      cache: 'off',
    },
  );
  return { said, settled: await Promise.allSettled([outcome]) };
}

it('shows its own line and returns what was made', async () => {
  const { said, settled } = await run(good, 'fine');
  const path = join(dir, 'fine', 'debian13', 'debian13.raw');
  expect(settled).toMatchObject([{ status: 'fulfilled', value: [path] }]);
  expect(await readFile(path, 'utf8')).toBe('the sealed disk');
  const line = said.map((text) => text.replace('\r\u001b[K', ''));
  expect(line).toContain('action: say hello');
  expect(line.indexOf('layer: demo')).toBeLessThan(line.indexOf('action: say hello'));
  expect(line.indexOf('action: say hello')).toBeLessThan(line.indexOf('export: raw'));
  expect(line.at(-1)).toBe('');
});

it('ends its line and rejects when the build fails', async () => {
  const { said, settled } = await run(bad, 'broken');
  expect(settled).toMatchObject([{ status: 'rejected', reason: { code: 'KIB_ACTION_FAILED' } }]);
  expect(said).toContain('\r\u001b[Kaction: break');
  expect(said.at(-1)).toBe('\r\u001b[K');
  expect(await list(join(dir, 'broken'))).toEqual([]);
});
