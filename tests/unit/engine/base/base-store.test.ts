import { chmod, mkdir, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sha256 } from '../../../../src/core/index.ts';
import { basesDir, findBase, newestBase, publishBase } from '../../../../src/engine/base/base-store.ts';
import { type TestContext, testContext } from '../../../support/test-context.ts';

const source = { kind: 'bootstrap', suite: 'trixie', packages: [] } as const;
let context: TestContext;
beforeEach(async () => {
  context = await testContext();
});
afterEach(() => context[Symbol.asyncDispose]());

async function publish(key: string, request: string, created: number, text = `disk of ${key}`) {
  const staging = join(basesDir(context.dirs.cache), `staging-${key}`);
  await mkdir(staging, { recursive: true });
  await writeFile(join(staging, 'disk.qcow2'), text);
  const record = { v: 1, key, request, created, sha256: sha256(text), bytes: text.length, facts: { suite: 'trixie' } } as const;
  return publishBase(staging, record, source, context);
}

describe('a stored base', () => {
  it('is found again as it was published', async () => {
    const image = await publish('k1', 'r1', 1);
    expect(image).toMatchObject({ source, format: 'qcow2', sha256: sha256('disk of k1'), bytes: 10, facts: { suite: 'trixie' } });
    expect((await findBase('k1', source, context))?.image).toEqual(image);
    expect(await findBase('k2', source, context)).toBeUndefined();
  });

  it('is read again after it was touched, and believed when it is the same', async () => {
    const { path } = await publish('k1', 'r1', 1);
    await utimes(path, 1, 1);
    expect((await findBase('k1', source, context))?.image.path).toBe(path);
    expect(context.events).toContainEqual({ type: 'span.note', text: 'checking the cached base' });
    const notes = context.events.length;
    await findBase('k1', source, context);
    expect(context.events).toHaveLength(notes);
  });

  it('is not used after it was changed', async () => {
    const { path } = await publish('k1', 'r1', 1);
    await chmod(path, 0o644);
    await writeFile(path, 'DISK of k1');
    expect(await findBase('k1', source, context)).toBeUndefined();
    expect(context.events).toContainEqual(expect.objectContaining({ type: 'warning', code: 'KIB_DIGEST_MISMATCH' }));
  });

  it('is replaced whole by a new one', async () => {
    await publish('k1', 'r1', 1);
    await publish('k1', 'r1', 2, 'better');
    expect((await findBase('k1', source, context))?.record).toMatchObject({ created: 2, sha256: sha256('better') });
  });

  it('of a broken record is as good as none', async () => {
    const { path } = await publish('k1', 'r1', 1);
    await writeFile(join(path, '..', 'base.json'), '{"v":2}');
    expect(await findBase('k1', source, context)).toBeUndefined();
  });
});

describe('the newest base', () => {
  it('is the last one made for the same request', async () => {
    await publish('k1', 'r1', 1);
    await publish('k2', 'r1', 3);
    await publish('k3', 'r1', 2);
    await publish('k4', 'r2', 9);
    expect((await newestBase('r1', source, context))?.record.key).toBe('k2');
  });

  it('passes over one that is gone', async () => {
    const { path } = await publish('k2', 'r1', 3);
    await publish('k1', 'r1', 1);
    await rm(path);
    expect((await newestBase('r1', source, context))?.record.key).toBe('k1');
  });

  it('is nothing in an empty cache', async () => {
    expect(await newestBase('r1', source, context)).toBeUndefined();
  });
});
