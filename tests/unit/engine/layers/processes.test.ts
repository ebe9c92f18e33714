import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { collectGarbage } from '../../../../src/engine/gc.ts';
import { leaseLayer } from '../../../../src/engine/layers/lease.ts';
import { pruneLayers } from '../../../../src/engine/layers/prune.ts';
import { findLayer, layersDir } from '../../../../src/engine/layers/store.ts';
import { verifyLayers } from '../../../../src/engine/layers/verify-layers.ts';
import { makeBase, publish } from '../../../support/layer-store.ts';
import { root } from '../../../support/sources.ts';
import { type TestContext, testContext } from '../../../support/test-context.ts';

const { signal } = new AbortController();

async function setup() {
  const context = await testContext();
  onTestFinished(() => context[Symbol.asyncDispose]());
  await makeBase(context.dirs.cache);
  let count = 0;
  /** Starts a build's part in a process of its own; resolves when it first says something. */
  const start = async (...args: readonly string[]): Promise<Child> => {
    const build = join(context.root, 'state', 'builds', `build-${++count}`);
    await mkdir(build, { recursive: true });
    const child = spawn(
      process.execPath,
      ['--import', 'tsx', program, context.dirs.cache, join(build, 'journal.ndjson'), ...args],
      { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
    onTestFinished(async () => {
      child.kill('SIGKILL');
      await ended;
    });
    await new Promise<void>((resolve) => child.stdout.once('data', () => resolve()));
    return { child, ended };
  };
  const gc = () => collectGarbage({ stateHome: join(context.root, 'state'), drivers: [], dryRun: false, signal });
  return { context, cache: context.dirs.cache, start, gc };
}

/** How many layers the process has published so far, in all rounds. */
async function publishedIn(cache: string): Promise<number> {
  return (await readdir(layersDir(cache))).filter((name) => !name.startsWith('.')).length;
}

const program = fileURLToPath(new URL('../../../support/layer-process.ts', import.meta.url));

interface Child {
  readonly child: ChildProcess;
  readonly ended: Promise<void>;
}

const entries = async (context: TestContext) => readdir(layersDir(context.dirs.cache));

describe('processes that want the same layer', () => {
  it('make it once; the other takes it', async () => {
    const { context, cache, start } = await setup();
    const children = await Promise.all([start('make'), start('make')]);
    await Promise.all(children.map(({ ended }) => ended));
    expect((await readFile(join(cache, 'made'), 'utf8')).trim().split('\n')).toHaveLength(1);
    expect(await findLayer('boot', context)).toBeDefined();
  });

  it('go on when the one that makes it is killed', async () => {
    const { context, start } = await setup();
    const { child, ended } = await start('hold');
    let waited = false;
    const waiting = leaseLayer('boot', 'boot', context).then((lease) => {
      waited = true;
      return lease;
    });
    await expect
      .poll(() => context.events, { timeout: 10_000 })
      .toContainEqual({
        type: 'span.note',
        text: 'waiting for another build that makes layer boot',
      });
    expect(waited).toBe(false);
    child.kill('SIGKILL');
    await ended;
    await (await waiting)[Symbol.asyncDispose]();
    expect(context.journal.held).toEqual([]);
  });
});

describe('a process that uses a layer', () => {
  it('keeps it from being pruned, with what it stands on, until it is dead', async () => {
    const { context, cache, start } = await setup();
    const maker = await testContext({ cache });
    const boot = await publish({ key: 'boot' }, maker);
    await publish({ key: 'pinned', parent: boot }, maker);
    await publish({ key: 'other', parent: boot }, maker);
    await maker[Symbol.asyncDispose]();
    const { child, ended } = await start('hold', 'x');
    const prune = () => pruneLayers({ cacheDir: cache, maxBytes: 0, signal, clock: context.clock });
    expect((await prune()).removed.map(({ key }) => key)).toEqual(['other']);
    child.kill('SIGKILL');
    await ended;
    expect((await prune()).removed.map(({ key }) => key)).toEqual(['pinned', 'boot']);
  });
});

describe('a process killed while it publishes', () => {
  it('leaves whole layers only, and gc removes the rest', async () => {
    const { context, cache, start, gc } = await setup();
    for (let round = 0; round < 3; round++) {
      const { child, ended } = await start('publish-for-ever', `r${round}`);
      // One round ends in the middle of the first layer, the others wherever the third one or a later one is by now.
      if (round > 0) await expect.poll(() => publishedIn(cache), { timeout: 20_000 }).toBeGreaterThan(2 * round);
      child.kill('SIGKILL');
      await ended;
    }
    await gc();
    expect((await entries(context)).filter((name) => name.startsWith('.'))).toEqual(['.claims']);
    expect(await readdir(join(layersDir(cache), '.claims'))).toEqual([]);
    const report = await verifyLayers({ cacheDir: cache, signal, repair: false });
    expect(report.length).toBeGreaterThan(0);
    expect(report.filter(({ status }) => status !== 'ok')).toEqual([]);
    await rm(cache, { recursive: true });
  });
});
