import { open, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KiB, MiB, sha256 } from '../../src/core/index.ts';
import { FileSource } from '../../src/io/filesystem/byte-source.ts';
import { UnreadableError } from '../../src/io/filesystem/file-system.ts';
import { Qcow2Source } from '../../src/io/filesystem/qcow2.ts';
import { run } from '../../src/io/process.ts';
import { type TestContext, testContext } from '../support/test-context.ts';

const signal = new AbortController().signal;
const BYTES = 3 * MiB + 512;

let context: TestContext;
let raw: string;
let image: string;
beforeEach(async () => {
  context = await testContext();
  raw = join(context.root, 'disk.raw');
  image = join(context.root, 'disk.qcow2');
  await (await open(raw, 'w')).close();
  await truncate(raw, BYTES);
});
afterEach(() => context[Symbol.asyncDispose]());

const convert = (...options: readonly string[]) =>
  run('qemu-img', ['convert', '-O', 'qcow2', ...options, raw, image], { signal });

async function write(
  stretches: readonly { readonly offset: number; readonly length: number; readonly seed: string }[],
): Promise<void> {
  const handle = await open(raw, 'r+');
  for (const { offset, length, seed } of stretches) {
    const noise = Array.from({ length: Math.ceil(length / 64) }, (_, index) => sha256(`${seed}${index % 700}`)).join('');
    await handle.write(Buffer.from(noise), 0, Math.min(length, BYTES - offset), offset);
  }
  await handle.close();
}

describe('Qcow2Source', () => {
  const stretch = fc.record({
    offset: fc.nat(BYTES - 1),
    length: fc.integer({ min: 1, max: 300 * KiB }),
    seed: fc.string({ maxLength: 4 }),
  });
  const options = fc.constantFrom(
    [],
    ['-c'],
    ['-c', '-o', 'cluster_size=4k'],
    ['-o', 'compat=0.10'],
    ['-c', '-o', 'cluster_size=2M'],
    ['-o', 'preallocation=metadata'],
  );

  it('reads what qemu-img wrote, compressed or not, at any offset', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(stretch, { maxLength: 8 }),
        options,
        fc.array(stretch, { minLength: 1 }),
        async (stretches, args, reads) => {
          await truncate(raw, 0);
          await truncate(raw, BYTES);
          await write(stretches);
          await rm(image, { force: true });
          await convert(...args);
          await using disk = await Qcow2Source.open(image, signal);
          await using plain = await FileSource.open(raw, signal);
          expect(disk?.bytes).toBe(BYTES);
          expect((await disk?.read(0, BYTES))?.equals(await plain.read(0, BYTES))).toBe(true);
          for (const { offset, length } of reads) {
            const count = Math.min(length, BYTES - offset);
            expect((await disk?.read(offset, count))?.equals(await plain.read(offset, count))).toBe(true);
          }
        },
      ),
      { numRuns: 25 },
    );
  });

  it('does not read beyond the end', async () => {
    await convert();
    await using disk = await Qcow2Source.open(image, signal);
    await expect(disk?.read(BYTES - 1, 2)).rejects.toThrow(RangeError);
  });

  it('is not for other formats', async () => {
    expect(await Qcow2Source.open(raw, signal)).toBeUndefined();
  });

  it('refuses what it does not know', async () => {
    const create = (...args: readonly string[]) =>
      run('qemu-img', ['create', '-q', '-f', 'qcow2', ...args, image, '1M'], { signal });
    await create('-b', raw, '-F', 'raw');
    await expect(Qcow2Source.open(image, signal)).rejects.toThrow(UnreadableError);
    await create('-o', 'extended_l2=on');
    await expect(Qcow2Source.open(image, signal)).rejects.toThrow(/features 0x10/);
    await convert('-c', '-o', 'compression_type=zstd');
    await expect(Qcow2Source.open(image, signal)).rejects.toThrow(/zstd/);
  });
});
