import { randomBytes } from 'node:crypto';
import { deflateSync, inflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { KiB, MiB } from '../../../src/core/index.ts';
import { Deflater } from '../../../src/export/deflate.ts';

const OPTIONS = { level: 6, memLevel: 9, chunkSize: 64 * KiB };

describe('Deflater', () => {
  it('compresses each buffer as if it were alone, several at a time', async () => {
    using deflater = new Deflater(OPTIONS);
    const buffers = Array.from({ length: 60 }, (_, index) =>
      index % 3 === 0 ? randomBytes(64 * KiB) : Buffer.alloc(64 * KiB, `line ${index}\n`),
    );
    const deflated = await Promise.all(buffers.map((buffer) => deflater.deflate(buffer)));
    expect(deflated.map((bytes) => inflateSync(bytes).equals(buffers[deflated.indexOf(bytes)] ?? bytes))).not.toContain(false);
    expect(deflated.map((bytes, index) => bytes.equals(deflateSync(buffers[index] ?? '', OPTIONS)))).not.toContain(false);
  });

  it('takes what grows and what is longer than a chunk of output', async () => {
    using deflater = new Deflater({ ...OPTIONS, chunkSize: KiB });
    for (const bytes of [1, 64 * KiB, MiB - 16 * KiB]) {
      const data = randomBytes(bytes);
      expect(inflateSync(await deflater.deflate(data)).equals(data)).toBe(true);
    }
  });
});
