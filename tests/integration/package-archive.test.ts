import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sha256 } from '../../src/core/index.ts';
import { readArchive } from '../../src/engine/base/archive.ts';
import { requestDigest } from '../../src/engine/base/base-key.ts';
import { basesDir, publishBase } from '../../src/engine/base/base-store.ts';
import { bootstrapBase } from '../../src/engine/base/bootstrap.ts';
import { type TestContext, testContext } from '../support/test-context.ts';

const release = (name: string, index: string) =>
  `Origin: Debian\nSuite: stable\nCodename: ${name}\nDate: Sat, 12 Sep 2026 07:55:41 UTC\nSHA256:\n ${index} 1 main/binary-amd64/Packages\n`;

describe('readArchive', () => {
  const signal = new AbortController().signal;
  let dir = '';
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'kib-archive-'));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  async function publish(archive: string, suite: string, index: string): Promise<void> {
    await mkdir(join(dir, archive, 'dists', suite), { recursive: true });
    await writeFile(join(dir, archive, 'dists', suite, 'InRelease'), release(suite, index));
  }

  // file: URLs go through the same apt as any other.
  const read = (suite: string) =>
    readArchive({ suite, arch: 'amd64', mirror: pathToFileURL(join(dir, 'debian')).href, scratch: dir, signal });

  it('finds a suite, its updates, and its security updates in the archive beside it', async () => {
    await publish('debian', 'trixie', 'a'.repeat(64));
    await publish('debian', 'trixie-updates', 'b'.repeat(64));
    await publish('debian-security', 'trixie-security', 'c'.repeat(64));
    const uri = pathToFileURL(join(dir, 'debian')).href;
    expect(await read('trixie')).toEqual({
      suites: [
        { uri, suite: 'trixie', index: 'a'.repeat(64) },
        { uri, suite: 'trixie-updates', index: 'b'.repeat(64) },
        { uri: `${uri}-security`, suite: 'trixie-security', index: 'c'.repeat(64) },
      ],
      epoch: 1_789_199_741,
    });
  });

  it('is content without updates', async () => {
    await publish('debian', 'sid', 'a'.repeat(64));
    expect((await read('sid')).suites).toHaveLength(1);
  });

  it('says where it looked for a suite that there is not', async () => {
    await publish('debian', 'trixie', 'a'.repeat(64));
    await expect(read('trixi')).rejects.toMatchObject({
      code: 'KIB_BOOTSTRAP',
      message: expect.stringContaining('no package archive for trixi'),
      hint: expect.stringContaining('base.bootstrap.mirror'),
    });
  });

  it('does not take an unreachable archive for one without the suite', async () => {
    const request = { suite: 'trixie', arch: 'amd64', mirror: 'http://127.0.0.1:1/debian', scratch: dir, signal } as const;
    await expect(readArchive(request)).rejects.toMatchObject({ code: 'KIB_BOOTSTRAP', retryable: true });
  });

  it('passes an abort on', async () => {
    const aborted = AbortSignal.abort(new Error('enough'));
    const request = {
      suite: 'trixie',
      arch: 'amd64',
      mirror: 'http://127.0.0.1:1/debian',
      scratch: dir,
      signal: aborted,
    } as const;
    await expect(readArchive(request)).rejects.toMatchObject({ code: 'KIB_CANCELLED' });
  });
});

describe('without a network', () => {
  const DAY = 86_400_000;
  /** Nothing listens there. */
  const source = { kind: 'bootstrap', suite: 'trixie', packages: [], mirror: 'http://127.0.0.1:1/debian' } as const;
  let context: TestContext;
  beforeEach(async () => {
    context = await testContext();
  });
  afterEach(() => context[Symbol.asyncDispose]());

  it('the base from before does, and its age is said', async () => {
    const staging = join(basesDir(context.dirs.cache), 'staging');
    await mkdir(staging, { recursive: true });
    await writeFile(join(staging, 'disk.qcow2'), 'disk');
    const created = context.clock.now() - 3.5 * DAY;
    const request = requestDigest(source, 'amd64');
    const record = { v: 1, key: 'k', request, created, sha256: sha256('disk'), bytes: 4, facts: {} } as const;
    const published = await publishBase(staging, record, source, context);
    expect(await bootstrapBase(source, 'amd64', context)).toEqual(published);
    expect(context.events).toContainEqual(
      expect.objectContaining({ type: 'warning', code: 'KIB_BOOTSTRAP', message: expect.stringContaining('3 days ago') }),
    );
  });

  it('and without one there is an error, and nothing is left', async () => {
    await expect(bootstrapBase(source, 'amd64', context)).rejects.toMatchObject({ code: 'KIB_BOOTSTRAP', retryable: true });
    expect(context.journal.held).toEqual([]);
  });

  it('a base for another wish does not do', async () => {
    await expect(bootstrapBase({ ...source, packages: ['jq'] }, 'amd64', context)).rejects.toMatchObject({
      code: 'KIB_BOOTSTRAP',
    });
  });
});
