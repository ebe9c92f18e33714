import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KibError } from '../../../src/core/index.ts';
import { writeChecksum } from '../../../src/export/checksums.ts';
import { writeWhole } from '../../../src/export/part-file.ts';
import { type TestContext, testContext } from '../../support/test-context.ts';

describe('writeWhole', () => {
  let context: TestContext;
  let dir: string;
  let path: string;
  beforeEach(async () => {
    context = await testContext({ buildId: 'b1' });
    dir = join(context.root, 'out');
    path = join(dir, 'image.raw');
    await mkdir(dir);
  });
  afterEach(() => context[Symbol.asyncDispose]());

  it('writes beside the final name, tells the journal first, and renames', async () => {
    const held: unknown[] = [];
    await writeWhole(path, context, async (part) => {
      held.push(...context.journal.held.map(({ id }) => id), ...(await readdir(dir)));
      await writeFile(part, 'new');
    });
    expect(held).toEqual([join(dir, '.image.raw.part-b1')]);
    expect(await readdir(dir)).toEqual(['image.raw']);
    expect(context.journal.held).toEqual([]);
    expect(context.scope.held).toEqual([]);
  });

  it('leaves an earlier file whole and no part of the new one when writing fails', async () => {
    await writeFile(path, 'old');
    const failing = writeWhole(path, context, async (part) => {
      await writeFile(part, 'half');
      throw new Error('the pen broke');
    });
    await expect(failing).rejects.toMatchObject({ code: 'KIB_EXPORT', message: `could not write ${path}: the pen broke` });
    expect(await readdir(dir)).toEqual(['image.raw']);
    expect(await readFile(path, 'utf8')).toBe('old');
    expect(context.journal.held).toEqual([]);
  });

  it('does not publish what was interrupted, even when the writer finished', async () => {
    const interrupted = writeWhole(path, context, async (part) => {
      await writeFile(part, 'all of it');
      context.abort(new Error('Ctrl-C'));
    });
    await expect(interrupted).rejects.toMatchObject({ code: 'KIB_CANCELLED' });
    expect(await readdir(dir)).toEqual([]);
  });

  it.each([
    ['ENOSPC', 'KIB_DISK_FULL'],
    ['EROFS', 'KIB_HOST_PERMISSION'],
    ['EIO', 'KIB_EXPORT'],
  ])('reports %s as %s with a hint', async (code, expected) => {
    const error = Object.assign(new Error(code), { code });
    const failed = await writeWhole(path, context, () => Promise.reject(error)).catch((thrown: unknown) => thrown);
    expect(failed).toMatchObject({ code: expected, cause: error });
    expect((failed as KibError).hint).not.toBeUndefined();
  });

  it('passes errors with a code on', async () => {
    const error = new KibError('KIB_TOOL_MISSING', 'qemu-img is not installed');
    await expect(writeWhole(path, context, () => Promise.reject(error))).rejects.toBe(error);
  });

  it('says which folder is missing', async () => {
    const nowhere = join(dir, 'missing', 'image.raw');
    await expect(writeWhole(nowhere, context, (part) => writeFile(part, ''))).rejects.toMatchObject({ code: 'KIB_EXPORT' });
  });

  it('writes checksum files as sha256sum does', async () => {
    await writeChecksum(path, 'ab'.repeat(32), context);
    expect(await readFile(`${path}.sha256`, 'utf8')).toBe(`${'ab'.repeat(32)}  image.raw\n`);
  });
});
