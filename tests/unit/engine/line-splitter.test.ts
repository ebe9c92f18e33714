import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LineSplitter } from '../../../src/engine/line-splitter.ts';

function split(...chunks: readonly (string | Buffer)[]): readonly string[] {
  const lines: string[] = [];
  const splitter = new LineSplitter((line) => lines.push(line));
  for (const chunk of chunks) splitter.push(Buffer.from(chunk));
  splitter.end();
  return lines;
}

describe('LineSplitter', () => {
  it('gives the same lines however the bytes are cut', () => {
    const text = fc.array(
      fc.string({ unit: 'grapheme', maxLength: 20 }).map((line) => line.replace(/[\r\n]/g, '')),
      { maxLength: 10 },
    );
    fc.assert(
      fc.property(text, fc.nat(), (lines, cut) => {
        const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''));
        const at = cut % (bytes.length + 1);
        expect(split(bytes.subarray(0, at), bytes.subarray(at))).toEqual(lines);
      }),
    );
  });

  it('hands on a last line without newline', () => expect(split('a\nb')).toEqual(['a', 'b']));
  it('keeps empty lines', () => expect(split('a\n\nb\n')).toEqual(['a', '', 'b']));
  it('takes CRLF for a line end', () => expect(split('a\r\nb\r\n')).toEqual(['a', 'b']));
  it('keeps the last picture of a progress bar', () => expect(split(' 10 %\r 50 %\r100 %\n')).toEqual(['100 %']));
  it('cuts a line that never ends', () => expect(split('x'.repeat(20_000)).join('')).toBe('x'.repeat(20_000)));
  it('survives bytes that are no text', () => expect(split(Buffer.from([0xff, 0x0a]))).toEqual(['\uFFFD']));
});
