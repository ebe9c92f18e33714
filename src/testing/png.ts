import { crc32 } from 'node:zlib';

/** Takes a PNG apart (ISO/IEC 15948) and throws unless signature, chunk order and every checksum are right. `data` is deflated. */
export function readPng(png: Buffer): { readonly width: number; readonly height: number; readonly data: Buffer } {
  if (png.toString('hex', 0, 8) !== '89504e470d0a1a0a') throw new Error('no PNG signature');
  const chunks: { type: string; body: Buffer }[] = [];
  for (let at = 8; at < png.length; ) {
    const length = png.readUInt32BE(at);
    const type = png.toString('latin1', at + 4, at + 8);
    if (crc32(png.subarray(at + 4, at + 8 + length)) !== png.readUInt32BE(at + 8 + length))
      throw new Error(`wrong checksum in ${type}`);
    chunks.push({ type, body: png.subarray(at + 8, at + 8 + length) });
    at += length + 12;
  }
  const [head] = chunks;
  if (head?.type !== 'IHDR' || chunks.at(-1)?.type !== 'IEND') throw new Error('no IHDR first or no IEND last');
  const data = Buffer.concat(chunks.filter((chunk) => chunk.type === 'IDAT').map((chunk) => chunk.body));
  return { width: head.body.readUInt32BE(0), height: head.body.readUInt32BE(4), data };
}
