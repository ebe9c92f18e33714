import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TarMember, tarOffsets, tarStream } from '../../../src/export/tar.ts';

const signal = new AbortController().signal;

function member(name: string, text: string): TarMember {
  return { kind: 'text', name, text, bytes: Buffer.byteLength(text) };
}

describe('tarStream', () => {
  let dir = '';
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'kib-tar-'));
  });
  afterAll(() => rm(dir, { recursive: true }));

  it('puts every member where tarOffsets says', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string({ maxLength: 2000 }), { minLength: 1, maxLength: 4 }), async (texts) => {
        const members = texts.map((text, index) => member(`m${index}`, text));
        const archive = await buffer(tarStream(members, signal));
        const found = tarOffsets(members).map((offset, index) =>
          archive.toString('utf8', offset, offset + (members[index]?.bytes ?? 0)),
        );
        expect(found).toEqual(texts.map((text) => Buffer.from(text).toString('utf8')));
      }),
    );
  });

  it('is plain ustar with root as owner and a fixed time, so that equal members give equal bytes', async () => {
    const archive = await buffer(tarStream([member('a.ovf', 'x')], signal));
    expect(archive.toString('latin1', 257, 265)).toBe('ustar\u000000');
    expect(archive.toString('latin1', 100, 107)).toBe('000644 ');
    expect(Number.parseInt(archive.toString('latin1', 136, 147), 8)).toBe(Date.UTC(1980, 0, 1) / 1000);
    expect(archive.equals(await buffer(tarStream([member('a.ovf', 'x')], signal)))).toBe(true);
  });

  it('streams files', async () => {
    const path = join(dir, 'disk');
    await writeFile(path, Buffer.alloc(3_000_000, 7));
    const archive = await buffer(tarStream([{ kind: 'file', name: 'disk', path, bytes: 3_000_000 }], signal));
    expect(archive.subarray(512, 3_000_512).every((byte) => byte === 7)).toBe(true);
  });

  it('fails when a file cannot be read', async () => {
    const missing: TarMember = { kind: 'file', name: 'disk', path: join(dir, 'missing'), bytes: 10 };
    await expect(buffer(tarStream([missing], signal))).rejects.toThrow('ENOENT');
  });
});
