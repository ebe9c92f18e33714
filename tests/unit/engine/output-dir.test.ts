import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { checkOutputDir, makeOutputDir } from '../../../src/engine/output-dir.ts';
import { testContext } from '../../support/test-context.ts';

async function setup() {
  const dir = await mkdtemp(join(tmpdir(), 'kib-output-'));
  const context = await testContext({ buildId: 'b1' });
  onTestFinished(async () => {
    await context[Symbol.asyncDispose]();
    await rm(dir, { recursive: true });
  });
  return { dir, outputDir: join(dir, 'output'), context };
}

describe('checkOutputDir', () => {
  it('refuses a folder that is there, unless forced', async () => {
    const { outputDir } = await setup();
    await checkOutputDir(outputDir, 'image', false);
    await mkdir(join(outputDir, 'image'), { recursive: true });
    await expect(checkOutputDir(outputDir, 'image', false)).rejects.toMatchObject({
      code: 'KIB_OUTPUT_EXISTS',
      hint: 'add --force to replace it, or choose another --output-dir',
    });
    await checkOutputDir(outputDir, 'image', true);
  });

  it('refuses a place where no folder can be made, before anything is', async () => {
    const { dir } = await setup();
    await writeFile(join(dir, 'file'), '');
    await symlink('loop', join(dir, 'loop'));
    for (const outputDir of [join(dir, 'file'), join(dir, 'file', 'below'), join(dir, 'loop'), '/proc/self/none/below']) {
      await expect(checkOutputDir(outputDir, 'image', false)).rejects.toMatchObject({ code: 'KIB_HOST_PERMISSION' });
    }
    expect((await readdir(dir)).sort()).toEqual(['file', 'loop']);
  });
});

describe('makeOutputDir', () => {
  it('publishes in one step', async () => {
    const { outputDir, context } = await setup();
    const output = await makeOutputDir(outputDir, 'image', true, context);
    await writeFile(join(output.staging, 'image.raw'), 'disk');
    expect(await readdir(outputDir)).toEqual(['.image.part-b1']);
    expect(output.finalPath(join(output.staging, 'sub', 'image.raw'))).toBe(join(outputDir, 'image', 'sub', 'image.raw'));
    await output.publish();
    await context.scope[Symbol.asyncDispose]();
    expect(await readdir(outputDir)).toEqual(['image']);
    expect(await readFile(join(outputDir, 'image', 'image.raw'), 'utf8')).toBe('disk');
    expect(context.journal.held).toEqual([]);
  });

  it('does not replace an image that appeared meanwhile, unless forced', async () => {
    const { outputDir, context } = await setup();
    const output = await makeOutputDir(outputDir, 'image', false, context);
    await mkdir(output.final);
    await expect(output.publish()).rejects.toMatchObject({ code: 'KIB_OUTPUT_EXISTS' });
    await context.scope[Symbol.asyncDispose]();
    expect(await readdir(outputDir)).toEqual(['image']);
    expect(context.journal.held).toEqual([]);
  });

  it('leaves nothing when it is not published', async () => {
    const { outputDir, context } = await setup();
    const output = await makeOutputDir(outputDir, 'image', true, context);
    await writeFile(join(output.staging, 'half'), 'x');
    expect(context.journal.held).toEqual([{ kind: 'path', id: output.staging }]);
    await context.scope[Symbol.asyncDispose]();
    expect(await readdir(outputDir)).toEqual([]);
    expect(context.journal.held).toEqual([]);
  });

  it('replaces an earlier image and removes it', async () => {
    const { outputDir, context } = await setup();
    await mkdir(join(outputDir, 'image'), { recursive: true });
    await writeFile(join(outputDir, 'image', 'old.raw'), 'old');
    const output = await makeOutputDir(outputDir, 'image', true, context);
    await writeFile(join(output.staging, 'new.raw'), 'new');
    await output.publish();
    expect(await readdir(join(outputDir, 'image'))).toEqual(['new.raw']);
    // From here on a killed process leaves it to gc.
    expect(context.journal.held).toEqual([{ kind: 'path', id: `${output.staging}.old` }]);
    await context.scope[Symbol.asyncDispose]();
    expect(await readdir(outputDir)).toEqual(['image']);
    expect(context.journal.held).toEqual([]);
  });

  it('gives the earlier image back when publishing fails', async () => {
    const { outputDir, context } = await setup();
    await mkdir(join(outputDir, 'image'), { recursive: true });
    await writeFile(join(outputDir, 'image', 'old.raw'), 'old');
    const output = await makeOutputDir(outputDir, 'image', true, context);
    await rm(output.staging, { recursive: true });
    await expect(output.publish()).rejects.toMatchObject({ code: 'KIB_HOST_PERMISSION' });
    await context.scope[Symbol.asyncDispose]();
    expect(await readFile(join(outputDir, 'image', 'old.raw'), 'utf8')).toBe('old');
    expect(await readdir(outputDir)).toEqual(['image']);
  });

  it('says where it cannot write, and the journal holds nothing afterwards', async () => {
    const { dir, context } = await setup();
    await writeFile(join(dir, 'file'), '');
    await expect(makeOutputDir(join(dir, 'file'), 'image', false, context)).rejects.toMatchObject({
      code: 'KIB_HOST_PERMISSION',
      message: expect.stringContaining(join(dir, 'file')) as string,
    });
    await context.scope[Symbol.asyncDispose]();
    expect(context.journal.held).toEqual([]);
  });
});
