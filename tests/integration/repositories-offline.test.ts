import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readRepositories } from '../../src/engine/repositories/index.ts';
import { type Page, planOf, release, repositoryWorld } from '../support/repository-world.ts';

const DAY = 86_400_000;
const { world, debian, tool, read, warnings } = repositoryWorld();

describe('without the network', () => {
  const change = (changes: Partial<Page>): void => {
    for (const page of Object.values(world.pages)) Object.assign(page, changes);
  };

  it.each([
    ['is gone', () => world.server[Symbol.asyncDispose]()],
    ['says nothing', async () => change({ isSilent: true })],
    ['is out of order', async () => change({ status: 503, etag: '"x"', lastModified: 'x' })],
  ])('what was seen before is used when the server %s, and its age is said', async (_what, fail) => {
    const base = await debian();
    const first = await read(base);
    const seenMs = world.now;
    world.now += 3.5 * DAY;
    await fail();
    const started = performance.now();
    const state = await read(base);
    // Eight seconds at most, on a clock that is fifty times as fast.
    expect(performance.now() - started).toBeLessThan(2000);
    expect(state).toEqual({
      fingerprints: first?.fingerprints,
      seenMs,
      offline: expect.stringContaining('/debian/dists/trixie'),
    });
    expect(warnings()).toMatchObject([
      {
        code: 'KIB_HTTP',
        message: expect.stringMatching(/; 2 package repositories may have changed since last seen 3 days ago$/),
      },
    ]);
  });

  it('a locked build goes on with what was locked', async () => {
    const base = await debian();
    const path = join(world.context.root, 'kib.lock');
    await read(base, planOf(), { path, locked: false });
    await world.server[Symbol.asyncDispose]();
    expect(await read(base, planOf(), { path, locked: true })).toMatchObject({ offline: expect.any(String) as string });
  });

  it('a repository that was never seen is an error that names it', async () => {
    const base = await debian();
    await read(base);
    const plan = planOf('debian13', [tool('/tool/')]);
    await world.server[Symbol.asyncDispose]();
    await expect(read(base, plan)).rejects.toMatchObject({
      code: 'KIB_HTTP',
      message: expect.stringMatching(/\/tool\/InRelease .*never seen before$/) as string,
      hint: expect.stringContaining('network') as string,
    });
  });

  it('a repository that perhaps the guest reaches is left out, with a warning, unless it is to be locked', async () => {
    const base = await debian();
    const seen = await read(base);
    const plan = planOf('debian13', [tool('/tool/')]);
    await world.server[Symbol.asyncDispose]();
    const state = await readRepositories(plan, base, { sharesNetwork: false }, world.context);
    expect(state?.fingerprints).toEqual(seen?.fingerprints);
    expect(warnings().map(({ message }) => message)).toContainEqual(
      expect.stringMatching(/^not watched for changes: .*\/tool\/InRelease .*never seen before$/),
    );
    const lock = { path: join(world.context.root, 'kib.lock'), locked: false };
    await expect(readRepositories(plan, base, { sharesNetwork: false, lock }, world.context)).rejects.toMatchObject({
      code: 'KIB_HTTP',
    });
  });

  it('a repository that is withdrawn is an error, whatever it held before', async () => {
    const base = await debian();
    await read(base);
    delete world.pages['/debian/dists/trixie/InRelease'];
    await expect(read(base)).rejects.toMatchObject({
      code: 'KIB_HTTP',
      message: expect.stringContaining('answered 404') as string,
    });
  });
});

describe('--locked', () => {
  it('refuses what changed since it was locked', async () => {
    const base = await debian();
    const lock = { path: join(world.context.root, 'kib.lock'), locked: true };
    await expect(read(base, planOf(), lock)).rejects.toMatchObject({ code: 'KIB_LOCK_DRIFT' });
    await read(base, planOf(), { ...lock, locked: false });
    await read(base, planOf(), lock);
    world.pages['/debian/dists/trixie/InRelease'] = { text: release('trixie', 'other'), etag: '"2"' };
    await expect(read(base, planOf(), lock)).rejects.toMatchObject({
      code: 'KIB_LOCK_DRIFT',
      message: expect.stringMatching(
        /debian13: something .*\n {2}package repository http.*trixie\/InRelease: want \w{64}, got \w{64}$/s,
      ) as string,
    });
    await read(base, planOf(), { ...lock, locked: false });
    await read(base, planOf(), lock);
  });
});
