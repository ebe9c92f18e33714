import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Artifact, digestFile, type Exporter, type FileDisk, MiB } from '../../src/core/index.ts';
import { run } from '../../src/io/process.ts';
import { check, compare, create, type DiskFile } from '../../src/io/qemu-img.ts';
import { testSubject } from '../support/subject.ts';
import { RecordingSpan, type TestContext, type TestContextOptions, testContext } from '../support/test-context.ts';

const signal = new AbortController().signal;
const DISK_BYTES = 48 * MiB;

/** Disks that every exporter must carry over bit for bit. */
export interface SourceDisks {
  /** Data, zeroes and holes in one raw file. */
  readonly raw: FileDisk;
  /** An overlay on an overlay on that, with changes, zeroes over data, and a last sector of data. */
  readonly chain: FileDisk;
}

/** Makes the disks below `dir`. */
export async function makeSources(dir: string): Promise<SourceDisks> {
  const path = (name: string): string => join(dir, name);
  const io = (file: string, format: string, commands: readonly string[]): Promise<unknown> =>
    run('qemu-io', ['-f', format, ...commands.flatMap((command) => ['-c', command]), path(file)], { signal });
  await create({ path: path('base.raw'), format: 'raw', bytes: DISK_BYTES }, signal);
  await io('base.raw', 'raw', ['write -P 0xaa 0 1M', 'write -P 0xbb 5M 3M', 'write -P 0 20M 1M', 'write -P 0xcc 40959k 1k']);
  const backing = (name: string, format: DiskFile['format']): DiskFile => ({ path: path(name), format });
  await create({ path: path('middle.qcow2'), format: 'qcow2', backing: backing('base.raw', 'raw') }, signal);
  await io('middle.qcow2', 'qcow2', ['write -P 0xdd 6M 512k', 'write -z 0 256k']);
  await create({ path: path('top.qcow2'), format: 'qcow2', backing: backing('middle.qcow2', 'qcow2') }, signal);
  await io('top.qcow2', 'qcow2', ['write -P 0xee 30M 65537', `write -P 0xff ${DISK_BYTES - 512} 512`]);
  const disk = (name: string, format: DiskFile['format']): FileDisk => ({
    kind: 'file',
    path: path(name),
    format,
    virtualBytes: DISK_BYTES,
  });
  return { raw: disk('base.raw', 'raw'), chain: disk('top.qcow2', 'qcow2') };
}

/** The disk of an artifact, where it lies. */
export function diskOf({ path, disk }: Artifact): DiskFile {
  return disk.offset === 0 ? { path, format: disk.format } : { path, ...disk };
}

/** Holds an exporter to the contract in core/artifact.ts, once for each set of options. */
export function describeExporter(exporter: Exporter, optionSets: Readonly<Record<string, unknown>>): void {
  describe.each(Object.entries(optionSets))(`exporter ${exporter.format}, %s`, (_name, given) => {
    const options = exporter.options.parse(given);
    const subject = testSubject();
    const fileName = `${subject.name}.${exporter.format}`;
    let root: TestContext;
    let sources: SourceDisks;

    beforeAll(async () => {
      root = await testContext();
      sources = await makeSources(root.root);
    });
    afterAll(() => root[Symbol.asyncDispose]());

    /** Exports into an empty folder of a fresh context and hands both on. */
    async function exported<T>(
      disk: FileDisk,
      use: (artifact: Promise<Artifact>, context: TestContext, dir: string) => Promise<T>,
      contextOptions: TestContextOptions = {},
    ): Promise<T> {
      await using context = await testContext(contextOptions);
      const dir = join(context.root, 'out');
      await mkdir(dir);
      return await use(exporter.export(disk, subject, dir, options, context), context, dir);
    }

    it.each(['raw', 'chain'] as const)('carries the %s disk over bit for bit and leaves it alone', async (source) => {
      const before = await digestFile(sources[source].path, 'sha256');
      await exported(sources[source], async (exporting) => {
        const artifact = await exporting;
        expect(await compare(sources[source], diskOf(artifact), signal)).toMatchObject({ identical: true });
        expect(await check(diskOf(artifact), signal)).toEqual({ ok: true, detail: '' });
      });
      expect(await digestFile(sources[source].path, 'sha256')).toBe(before);
    });

    it('says what it wrote, and sha256sum agrees', async () => {
      await exported(sources.chain, async (exporting, context, dir) => {
        const artifact = await exporting;
        const bytes = (await readFile(artifact.path)).length;
        expect(artifact).toMatchObject({ format: exporter.format, path: join(dir, fileName), bytes });
        expect(artifact.disk.offset + artifact.disk.bytes).toBeLessThanOrEqual(bytes);
        const { stdout } = await run('sha256sum', ['--check', '--strict', `${fileName}.sha256`], { signal, cwd: dir });
        expect(stdout).toBe(`${fileName}: OK\n`);
        expect(await readFile(`${artifact.path}.sha256`, 'utf8')).toContain(artifact.sha256);
        expect((await readdir(dir)).sort()).toEqual([fileName, `${fileName}.sha256`]);
        expect(await readdir(context.dirs.work)).toEqual([]);
      });
    });

    it('reports progress that rises to 100 percent and lets go of everything', async () => {
      await exported(sources.raw, async (exporting, context) => {
        await exporting;
        const progress = context.events.flatMap((event) => (event.type === 'span.progress' ? [event.done] : []));
        expect(progress.at(-1)).toBe(100);
        expect(progress).toEqual(progress.toSorted((a, b) => a - b));
        expect(context.journal.held).toEqual([]);
        expect(context.scope.held).toEqual([]);
      });
    });

    it('leaves no half file and an earlier one whole, interrupted at any journal line', async () => {
      const lines = await exported(sources.raw, async (exporting, context) => {
        await exporting;
        return context.journal.entries.length;
      });
      // The last lines only record that nothing is left of a finished file.
      const outcomes = new Set<string>();
      for (let line = 1; line <= lines; line++) {
        const stop = new AbortController();
        let seen = 0;
        const onJournal = (): void => {
          if (++seen === line) stop.abort(new Error('Ctrl-C'));
        };
        await using context = await testContext({ signal: stop.signal, onJournal });
        const dir = join(context.root, 'out');
        await mkdir(dir);
        await writeFile(join(dir, fileName), 'earlier');
        const outcome = await exporter.export(sources.raw, subject, dir, options, context).then(
          () => 'finished',
          (error: unknown) => (error as { code: string }).code,
        );
        outcomes.add(outcome);
        const files = (await readdir(dir)).filter((name) => name !== `${fileName}.sha256`);
        expect(files, `after an abort at journal line ${line}`).toEqual([fileName]);
        const isEarlier = (await readFile(join(dir, fileName))).toString('utf8', 0, 7) === 'earlier';
        expect(isEarlier).toBe(outcome !== 'finished');
        expect(await readdir(context.dirs.work)).toEqual([]);
        expect(context.journal.held).toEqual([]);
      }
      expect(outcomes).toContain('KIB_CANCELLED');
    });

    it('stops within a moment when interrupted while converting', async () => {
      const stop = new AbortController();
      await using context = await testContext({ signal: stop.signal });
      const span = new (class extends RecordingSpan {
        override progress(): void {
          stop.abort(new Error('Ctrl-C'));
        }
      })();
      const dir = join(context.root, 'out');
      await mkdir(dir);
      await expect(exporter.export(sources.chain, subject, dir, options, { ...context, span })).rejects.toMatchObject({
        code: 'KIB_CANCELLED',
      });
      expect(await readdir(dir)).toEqual([]);
      expect(await readdir(context.dirs.work)).toEqual([]);
      expect(context.journal.held).toEqual([]);
    });

    it('names the file and the reason when the disk cannot be read', async () => {
      const missing = { ...sources.raw, path: join(root.root, 'missing.raw') };
      await exported(missing, async (exporting, context, dir) => {
        await expect(exporting).rejects.toMatchObject({
          code: 'KIB_EXPORT',
          message: expect.stringMatching(
            `could not write ${join(dir, fileName)}: ${exporter.format === 'qcow2' ? 'qemu-img' : 'qemu-nbd'} exited with 1`,
          ) as string,
        });
        expect(await readdir(dir)).toEqual([]);
        expect(context.journal.held).toEqual([]);
      });
    });

    it('exports one disk several times at once', async () => {
      await using context = await testContext();
      const exporting = ['one', 'two', 'three'].map((name) =>
        exporter.export(sources.chain, { ...subject, name }, context.root, options, context),
      );
      for (const artifact of await Promise.all(exporting)) {
        expect(await compare(sources.chain, diskOf(artifact), signal)).toMatchObject({ identical: true });
      }
      expect(context.journal.held).toEqual([]);
    });
  });
}
