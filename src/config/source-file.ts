import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { KiB, systemCode } from '../core/index.ts';
import { didYouMean } from './nearest.ts';
import type { Problem } from './problem.ts';

/** No image or variable file is larger; whatever is, was named by mistake (a disk image, a device). */
const MAX_BYTES = 1024 * KiB;

/** The text of a file a user named, or what is wrong with it. `label` is the name as the user wrote it. */
export async function readSource(path: string, label: string): Promise<{ text: string } | { problem: Problem }> {
  let bytes: Buffer;
  try {
    if ((await stat(path)).isDirectory()) return { problem: fileProblem(label, 'is a folder; want a file') };
    const chunks: Buffer[] = [];
    // Bounded by what is read, not by stat: pipes and devices have no size.
    for await (const chunk of createReadStream(path, { end: MAX_BYTES })) chunks.push(chunk as Buffer);
    bytes = Buffer.concat(chunks);
  } catch (error) {
    return { problem: await unreadable(path, label, error) };
  }
  if (bytes.length > MAX_BYTES) return { problem: fileProblem(label, 'is larger than 1 MiB; want a small text file') };
  return decode(bytes, label);
}

function decode(bytes: Buffer, label: string): { text: string } | { problem: Problem } {
  const isUtf16 = (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff);
  if (isUtf16) return { problem: fileProblem(label, 'is UTF-16; save it as UTF-8') };
  if (bytes.includes(0)) return { problem: fileProblem(label, 'is binary; want a text file') };
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch {
    return { problem: fileProblem(`${label}:${firstBadLine(bytes)}:1`, 'is not UTF-8 text') };
  }
}

function firstBadLine(bytes: Buffer): number {
  const lines = bytes.toString('latin1').split('\n');
  const bad = lines.findIndex((line) => {
    const raw = Buffer.from(line, 'latin1');
    return !raw.equals(Buffer.from(raw.toString('utf8'), 'utf8'));
  });
  return bad + 1;
}

async function unreadable(path: string, label: string, error: unknown): Promise<Problem> {
  const code = systemCode(error);
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    const neighbours = await readdir(dirname(path)).catch((): string[] => []);
    if (neighbours.includes(basename(path))) return fileProblem(label, 'is a symbolic link to a file that does not exist');
    return { ...fileProblem(label, 'does not exist'), hint: didYouMean(basename(path), neighbours) };
  }
  if (code === 'EACCES' || code === 'EPERM') return fileProblem(label, 'may not be read by this user');
  return fileProblem(label, `cannot be read (${code ?? String(error)})`);
}

export function fileProblem(source: string, message: string): Problem {
  return { path: '', source, message };
}
