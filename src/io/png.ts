import { crc32, deflateSync } from 'node:zlib';
import { KibError } from '../core/index.ts';

const SIGNATURE = Buffer.from('89504e470d0a1a0a', 'hex');

/** Turns a binary PPM picture (P6 with 8 bits per channel) into a PNG (ISO/IEC 15948). Throws KIB_QMP when it is neither. */
export function ppmToPng(ppm: Buffer): Buffer {
  const header = /^P6\s+(\d+)\s+(\d+)\s+255\s/.exec(ppm.toString('latin1', 0, 64));
  const width = Number(header?.[1]);
  const height = Number(header?.[2]);
  const stride = width * 3;
  const pixels = ppm.subarray(header?.[0].length);
  if (header === null || pixels.length < stride * height) throw new KibError('KIB_QMP', 'the screen dump is not a PPM picture');
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  // 8 bits per channel, RGB, deflate, no filter choice, not interlaced.
  head.set([8, 2, 0, 0, 0], 8);
  // Each row begins with its filter type, 0: none.
  const rows = Buffer.alloc((stride + 1) * height);
  for (let row = 0; row < height; row++) pixels.copy(rows, row * (stride + 1) + 1, row * stride, (row + 1) * stride);
  return Buffer.concat([SIGNATURE, chunk('IHDR', head), chunk('IDAT', deflateSync(rows)), chunk('IEND', Buffer.alloc(0))]);
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc32(body), body.length + 4);
  return out;
}
