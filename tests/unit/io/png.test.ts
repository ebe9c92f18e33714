import { inflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { ppmToPng } from '../../../src/io/png.ts';
import { readPng } from '../../support/png.ts';

describe('PPM to PNG', () => {
  const pixels = Buffer.from([255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 10, 10, 0, 0, 0, 255, 255, 255]);

  it('keeps size and pixels', () => {
    const png = readPng(ppmToPng(Buffer.concat([Buffer.from('P6\n3 2\n255\n'), pixels])));
    expect(png).toMatchObject({ width: 3, height: 2 });
    const rows = inflateSync(png.data);
    expect(Buffer.concat([rows.subarray(1, 10), rows.subarray(11, 20)])).toEqual(pixels);
    expect([rows.length, rows[0], rows[10]]).toEqual([20, 0, 0]);
  });

  it('refuses what is not a whole picture', () => {
    for (const bad of [Buffer.from('P5\n3 2\n255\n'), Buffer.from('P6\n3 2\n255\nshort'), Buffer.alloc(0)]) {
      expect(() => ppmToPng(bad)).toThrow('not a PPM picture');
    }
  });
});
