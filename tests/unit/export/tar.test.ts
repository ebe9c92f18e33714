import { text } from 'node:stream/consumers';
import * as fc from 'fast-check';
import { extract, type Header } from 'tar-stream';
import { describe, expect, it } from 'vitest';
import { MAX_MEMBER_BYTES, TAR_END, tarEntry, tarHeader, tarOffsets, tarPadding } from '../../../src/export/tar.ts';

interface Entry {
  readonly header: Header;
  readonly content: string;
}

/** What another implementation of tar reads. */
async function entriesOf(archive: Buffer): Promise<readonly Entry[]> {
  const entries: Entry[] = [];
  const reader = extract();
  reader.end(archive);
  for await (const entry of reader) entries.push({ header: entry.header, content: await text(entry) });
  return entries;
}

describe('ustar', () => {
  it('is read by others, and every member is where tarOffsets says', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ maxLength: 2000, unit: 'grapheme' }), { minLength: 1, maxLength: 4 }),
        async (texts) => {
          const archive = Buffer.concat([...texts.map((content, index) => tarEntry(`m${index}`, content)), TAR_END]);
          const contents = texts.map((content) => Buffer.from(content));
          const offsets = tarOffsets(contents.map(({ length }) => ({ bytes: length })));
          const found = offsets.map((offset, index) => archive.subarray(offset, offset + (contents[index]?.length ?? 0)));
          expect(found).toEqual(contents);
          expect((await entriesOf(archive)).map(({ header, content }) => [header.name, content])).toEqual(
            contents.map((content, index) => [`m${index}`, content.toString()]),
          );
        },
      ),
      { numRuns: 50 },
    );
  });

  it('has root as owner and a fixed time, so that equal members give equal bytes', async () => {
    const [entry] = await entriesOf(Buffer.concat([tarEntry('a.ovf', 'x'), TAR_END]));
    expect(entry?.header).toMatchObject({ type: 'file', mode: 0o644, uid: 0, gid: 0, uname: 'root', gname: 'root', size: 1 });
    expect(entry?.header.mtime).toEqual(new Date(Date.UTC(1980, 0, 1)));
    expect(tarEntry('a.ovf', 'x').toString('latin1', 257, 265)).toBe('ustar\u000000');
  });

  it('says sizes up to 8 GiB and refuses larger ones, and names that do not fit', async () => {
    const header = tarHeader({ name: 'n'.repeat(100), bytes: MAX_MEMBER_BYTES });
    expect(header.toString('latin1', 124, 136)).toBe('77777777777\0');
    expect(() => tarHeader({ name: 'disk', bytes: MAX_MEMBER_BYTES + 1 })).toThrow(RangeError);
    expect(() => tarHeader({ name: 'n'.repeat(101), bytes: 1 })).toThrow(RangeError);
  });

  it('pads to whole blocks', () => {
    expect([0, 1, 511, 512, 513].map(tarPadding)).toEqual([0, 511, 1, 0, 511]);
  });
});
