import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Artifact, type Context, digestFile, type FileDisk, type FileFormat, MiB } from '../../src/core/index.ts';
import { exportAll } from '../../src/engine/export-all.ts';
import { exporters } from '../../src/export/index.ts';
import { compare, create, type DiskFile, info } from '../../src/io/qemu-img.ts';
import type { ChosenExporter } from '../../src/plan/resolved.ts';
import { processesWith } from '../support/leftovers.ts';
import { diskOf, type Stretch } from '../support/memory-disk.ts';
import { testSubject } from '../support/subject.ts';
import { RecordingSpan, testContext } from '../support/test-context.ts';

const { signal } = new AbortController();

function chosen(...formats: readonly FileFormat[]): readonly ChosenExporter[] {
  return exporters
    .filter(({ format }) => formats.includes(format))
    .map((exporter) => ({ exporter, options: exporter.options.parse({}) }));
}

function fileOf({ path, disk }: Artifact): DiskFile {
  return { path, ...disk };
}

describe('exports of one sealed disk', () => {
  let dir: string;
  /** 300 MiB with 24 MiB of data that takes a while to compress. */
  let sealed: FileDisk;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'kib-exports-'));
    const base = join(dir, 'base.raw');
    const { content } = diskOf(
      Array.from({ length: 24 }, (_, index) => ({ kind: index % 2 === 0 ? 'text' : 'noise', bytes: MiB })),
    );
    await writeFile(base, content);
    sealed = { kind: 'file', path: join(dir, 'disk.qcow2'), format: 'qcow2', virtualBytes: 300 * MiB };
    await create({ ...sealed, bytes: sealed.virtualBytes, backing: { path: base, format: 'raw' } }, signal);
    execFileSync('qemu-io', ['-f', 'qcow2', '-c', `write -P 5 ${300 * MiB - 512} 512`, sealed.path]);
  });
  afterAll(() => rm(dir, { recursive: true }));

  async function exportTo(folder: string, formats: readonly FileFormat[], context: Context): Promise<readonly Artifact[]> {
    const output = join(dir, folder);
    await mkdir(output, { recursive: true });
    return exportAll(chosen(...formats), sealed, testSubject(), output, context);
  }

  it('are made side by side, hold the same disk, and are the same bytes each time', async () => {
    await using context = await testContext();
    const first = await exportTo('first', ['qcow2', 'raw', 'ova'], context);
    const second = await exportTo('second', ['qcow2', 'raw', 'ova'], context);
    expect(first.map(({ format }) => format)).toEqual(['qcow2', 'raw', 'ova']);
    expect(second.map(({ sha256 }) => sha256)).toEqual(first.map(({ sha256 }) => sha256));
    for (const artifact of first) {
      expect(await compare(sealed, fileOf(artifact), signal)).toMatchObject({ identical: true });
      expect(await digestFile(artifact.path, 'sha256')).toBe(artifact.sha256);
    }
    const started = context.events.slice(0, 3).map((event) => event.type);
    expect(started).toEqual(['span.start', 'span.start', 'span.start']);
  });

  it('leave nothing when they are interrupted in the middle', async () => {
    for (const percent of [0, 30, 60]) {
      const stop = new AbortController();
      await using context = await testContext({ signal: stop.signal });
      const span = new (class extends RecordingSpan {
        override progress(done: number): void {
          if (done >= percent) stop.abort(new Error('Ctrl-C'));
        }
        override run<T>(_kind: string, _name: string, work: (span: this) => Promise<T>): Promise<T> {
          return work(this);
        }
      })();
      const folder = `interrupted-${percent}`;
      await expect(exportTo(folder, ['raw', 'ova'], { ...context, span })).rejects.toMatchObject({ code: 'KIB_CANCELLED' });
      expect(await readdir(join(dir, folder))).toEqual([]);
      expect(processesWith(sealed.path)).toEqual([]);
      expect(context.journal.held).toEqual([]);
      expect((await readdir(tmpdir())).filter((name) => name.startsWith(`kib-${context.buildId}`))).toEqual([]);
    }
  });

  it.skipIf(process.getuid?.() !== 0 || process.platform !== 'linux')(
    'say so when the disk is full, and leave nothing',
    async () => {
      const small = join(dir, 'small');
      await mkdir(small);
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'kib-test', small]);
      try {
        for (const format of ['raw', 'ova', 'qcow2'] as const) {
          await using context = await testContext();
          await expect(exportTo('small', [format], context), format).rejects.toMatchObject({ code: 'KIB_DISK_FULL' });
          expect(await readdir(small)).toEqual([]);
          expect(processesWith(sealed.path)).toEqual([]);
          expect(context.journal.held).toEqual([]);
        }
      } finally {
        execFileSync('umount', [small]);
      }
    },
  );

  it('read back bit for bit whatever size the disk has and wherever its holes are', async () => {
    const bytes = fc
      .oneof(fc.integer({ min: 1, max: 2500 }), fc.constantFrom(1, 127, 128, 129, 65_536))
      .map((sectors) => sectors * 512);
    const stretch = fc.record<Stretch>({ kind: fc.constantFrom('hole', 'zeroes', 'noise', 'text', 'byte'), bytes });
    await using context = await testContext();
    const source = join(dir, 'property.raw');
    await fc.assert(
      fc.asyncProperty(fc.array(stretch, { minLength: 1, maxLength: 6 }), async (given) => {
        const { content } = diskOf(given);
        // Sparse where the disk has holes: qemu-nbd finds them by SEEK_HOLE.
        await writeFile(source, '');
        execFileSync('truncate', ['--size', String(content.length), source]);
        let offset = 0;
        for (const { kind, bytes } of given) {
          const options = ['conv=notrunc', `seek=${offset / 512}`, 'bs=512', 'status=none'];
          if (kind !== 'hole')
            execFileSync('dd', [`of=${source}`, ...options], { input: content.subarray(offset, offset + bytes) });
          offset += bytes;
        }
        const disk: FileDisk = { kind: 'file', path: source, format: 'raw', virtualBytes: content.length };
        const output = join(dir, 'property');
        await mkdir(output, { recursive: true });
        for (const { exporter, options } of chosen('ova', 'raw')) {
          const artifact = await exporter.export(disk, testSubject(), output, options, context);
          expect(await info(fileOf(artifact), signal)).toMatchObject({ virtualBytes: content.length });
          expect(await compare(disk, fileOf(artifact), signal)).toMatchObject({ identical: true });
        }
      }),
      { numRuns: 12 },
    );
  });
});
