import { type FileHandle, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { throwIfAborted } from '../../core/index.ts';
import type { Tree, TreeEntry } from './tree.ts';

const BLOCK = 512;
const WINDOW = 4 << 20;
const WRITES = 64;

interface Header {
  readonly name: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
  readonly type: string;
  readonly link: string;
  readonly major: number;
  readonly minor: number;
}

/**
 * Reads a tar archive in pax format (pax(1), POSIX.1-2001) into a tree, each file's content into a file of its own below `spool`. Made for
 * archives of whole systems: tar-stream would decode extended attributes as UTF-8, which destroys file capabilities.
 */
export async function readTar(archive: string, spool: string, signal: AbortSignal): Promise<Tree> {
  const tree: Tree = new Map();
  const file = await open(archive, 'r');
  const writes = new Batch(WRITES);
  try {
    const reader = new WindowReader(file);
    let pax = new Map<string, Buffer>();
    for (;;) {
      throwIfAborted(signal);
      const block = await reader.read(BLOCK);
      // The end is two blocks of zeroes.
      if (block.every((byte) => byte === 0)) break;
      const header = parseHeader(block);
      const size = sizeOf(header, pax);
      if (header.type === 'x') pax = parsePax(await reader.read(size));
      else {
        const source = join(spool, String(tree.size));
        if (header.type === '0') await copyOut(reader, size, source, writes);
        tree.set(treePath(pax.get('path')?.toString() ?? header.name), toEntry(header, pax, source));
        pax = new Map();
      }
      await reader.read((BLOCK - (size % BLOCK)) % BLOCK);
    }
  } finally {
    await writes.settled();
    await file.close();
  }
  return tree;
}

/** The fields of a ustar header. Throws on a wrong checksum: that is not a tar archive, or one cut short. */
export function parseHeader(block: Buffer): Header {
  const stored = octal(block, 148, 8);
  const sum = block.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 0x20 : byte), 0);
  if (sum !== stored) throw new Error('not a tar archive: wrong header checksum');
  const prefix = text(block, 345, 155);
  return {
    name: prefix === '' ? text(block, 0, 100) : `${prefix}/${text(block, 0, 100)}`,
    mode: octal(block, 100, 8),
    uid: octal(block, 108, 8),
    gid: octal(block, 116, 8),
    size: octal(block, 124, 12),
    mtime: octal(block, 136, 12),
    type: text(block, 156, 1) || '0',
    link: text(block, 157, 100),
    major: octal(block, 329, 8),
    minor: octal(block, 337, 8),
  };
}

/** The records `length keyword=value\n` of a pax extended header; values as the bytes they are. */
export function parsePax(data: Buffer): Map<string, Buffer> {
  const records = new Map<string, Buffer>();
  for (let at = 0; at < data.length; ) {
    const blank = data.indexOf(0x20, at);
    const length = Number(data.toString('latin1', at, blank));
    const equals = data.indexOf(0x3d, blank);
    if (blank < 0 || equals < 0 || !(length > 0)) throw new Error('broken pax header');
    records.set(data.toString('utf8', blank + 1, equals), Buffer.from(data.subarray(equals + 1, at + length - 1)));
    at += length;
  }
  return records;
}

function toEntry(header: Header, pax: ReadonlyMap<string, Buffer>, source: string): TreeEntry {
  const number = (key: string, otherwise: number) => Math.floor(Number(pax.get(key)?.toString() ?? otherwise));
  const inode = {
    mode: header.mode & 0o7777,
    uid: number('uid', header.uid),
    gid: number('gid', header.gid),
    mtime: number('mtime', header.mtime),
  };
  const link = pax.get('linkpath')?.toString() ?? header.link;
  switch (header.type) {
    case '0':
      return { ...inode, kind: 'file', source, xattrs: xattrsOf(pax) };
    case '1':
      return { ...inode, kind: 'hardlink', target: treePath(link) };
    case '2':
      return { ...inode, kind: 'symlink', target: link };
    case '3':
    case '4':
      return { ...inode, kind: 'device', type: header.type === '3' ? 'c' : 'b', major: header.major, minor: header.minor };
    case '5':
      return { ...inode, kind: 'directory' };
    case '6':
      return { ...inode, kind: 'fifo' };
    default:
      throw new Error(`tar archive holds ${header.name} of the unknown type ${header.type}`);
  }
}

function xattrsOf(pax: ReadonlyMap<string, Buffer>): ReadonlyMap<string, Uint8Array> {
  const prefix = 'SCHILY.xattr.';
  return new Map([...pax].filter(([key]) => key.startsWith(prefix)).map(([key, value]) => [key.slice(prefix.length), value]));
}

function sizeOf(header: Header, pax: ReadonlyMap<string, Buffer>): number {
  return header.type === 'x' ? header.size : Number(pax.get('size')?.toString() ?? header.size);
}

/** `./usr/bin/` → `/usr/bin`. */
function treePath(name: string): string {
  const path = `/${name.replace(/^(\.?\/)+/, '').replace(/\/+$/, '')}`;
  return path === '/.' ? '/' : path;
}

async function copyOut(reader: WindowReader, size: number, target: string, writes: Batch): Promise<void> {
  // Small files, which are nearly all, are written while the next ones are read.
  if (size <= WINDOW) return writes.add(writeFile(target, await reader.read(size)));
  const file = await open(target, 'wx');
  try {
    for (let left = size; left > 0; left -= WINDOW) await file.writeFile(await reader.read(Math.min(WINDOW, left)));
  } finally {
    await file.close();
  }
}

/** Promises of which only so many run at once; the first failure is thrown by the next call. */
class Batch {
  readonly #limit: number;
  #running: Promise<void>[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  async add(work: Promise<void>): Promise<void> {
    this.#running.push(work);
    if (this.#running.length >= this.#limit) await this.settled();
  }

  async settled(): Promise<void> {
    const running = this.#running;
    this.#running = [];
    await Promise.all(running);
  }
}

/** Reads a file from its start in large pieces; what it returns stays valid. */
class WindowReader {
  readonly #file: FileHandle;
  #window: Buffer = Buffer.alloc(0);
  #position = 0;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  async read(length: number): Promise<Buffer> {
    while (this.#window.length < length) {
      const chunk = Buffer.allocUnsafe(WINDOW);
      const { bytesRead } = await this.#file.read(chunk, 0, WINDOW, this.#position);
      if (bytesRead === 0) throw new Error('tar archive ends too early');
      this.#position += bytesRead;
      this.#window = Buffer.concat([this.#window, chunk.subarray(0, bytesRead)]);
    }
    const data = this.#window.subarray(0, length);
    this.#window = this.#window.subarray(length);
    return data;
  }
}

function text(block: Buffer, start: number, length: number): string {
  const field = block.subarray(start, start + length);
  const end = field.indexOf(0);
  return field.toString('utf8', 0, end === -1 ? length : end);
}

function octal(block: Buffer, start: number, length: number): number {
  const digits = text(block, start, length).trim();
  if (!/^[0-7]*$/.test(digits)) throw new Error('tar archive with a number that is not octal');
  return digits === '' ? 0 : Number.parseInt(digits, 8);
}
