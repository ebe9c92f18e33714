import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MiB, sha256 } from '../../../src/core/index.ts';
import { FileWriter, HashingAppender, withNewFile } from '../../../src/export/file-writer.ts';

let dir: string;
let path: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kib-writer-'));
  path = join(dir, 'file');
});
afterEach(() => rm(dir, { recursive: true }));

describe('withNewFile', () => {
  it('writes each part where it belongs and waits until all is there', async () => {
    let written = 0;
    await withNewFile(path, async (file) => {
      await file.truncate(100_000);
      for (let at = 9; at >= 0; at--) {
        const parts = [
          { data: Buffer.alloc(5000, at), position: at * 10_000 },
          { data: Buffer.alloc(5000, at + 100), position: at * 10_000 + 5000 },
        ];
        await file.write(parts, () => written++);
      }
    });
    expect(written).toBe(10);
    const bytes = await readFile(path);
    expect(bytes.length).toBe(100_000);
    expect(bytes.every((byte, at) => byte === Math.floor(at / 10_000) + (at % 10_000 < 5000 ? 0 : 100))).toBe(true);
  });

  it('does not touch a file that is there', async () => {
    await writeFile(path, 'old');
    await expect(withNewFile(path, () => Promise.resolve())).rejects.toMatchObject({ code: 'EEXIST' });
    expect(await readFile(path, 'utf8')).toBe('old');
  });

  it('throws what the work throws, after the last write', async () => {
    let written = 0;
    const failing = withNewFile(path, async (file) => {
      await file.write([{ data: Buffer.alloc(MiB), position: 0 }], () => written++);
      throw new Error('enough');
    });
    await expect(failing).rejects.toThrow('enough');
    expect(written).toBe(1);
  });
});

describe.skipIf(!existsSync('/dev/full'))('FileWriter on a full disk', () => {
  it('fails at the next call and at the end, and says nothing was written', async () => {
    const handle = await open('/dev/full', 'r+');
    const file = new FileWriter(handle);
    let written = 0;
    await file.write([{ data: Buffer.alloc(10), position: 0 }], () => written++);
    await file.settle();
    await expect(file.write([{ data: Buffer.alloc(10), position: 0 }])).rejects.toMatchObject({ code: 'ENOSPC' });
    await expect(file.drain()).rejects.toMatchObject({ code: 'ENOSPC' });
    expect(written).toBe(0);
    await handle.close();
  });
});

describe('HashingAppender', () => {
  it('writes what it is given from a position on, and hashes it', async () => {
    const parts = [1, 512, 3 * MiB + 7, 0, 100_000, MiB].map((bytes) => randomBytes(bytes));
    const digest = await withNewFile(path, async (file) => {
      const appender = new HashingAppender(file, 4096);
      for (const part of parts) {
        // The caller may use its buffer again at once.
        const copy = Buffer.from(part);
        await appender.append(copy);
        copy.fill(0);
      }
      expect(appender.bytes).toBe(Buffer.concat(parts).length);
      return appender.finish();
    });
    const bytes = await readFile(path);
    expect(bytes.subarray(4096).equals(Buffer.concat(parts))).toBe(true);
    expect(digest).toBe(sha256(Buffer.concat(parts)));
  });

  it('takes as much as the limit allows and nothing more', async () => {
    await withNewFile(path, async (file) => {
      const appender = new HashingAppender(file, 0, { bytes: 100, error: () => new Error('too large') });
      await appender.append(Buffer.alloc(100));
      await expect(appender.append(Buffer.alloc(1))).rejects.toThrow('too large');
      await appender.finish();
    });
    expect((await readFile(path)).length).toBe(100);
  });
});
