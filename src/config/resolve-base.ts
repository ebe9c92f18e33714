import { open } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type BaseChoice, type BaseSource, type DiskFormat, errorMessage, formatBytes, systemCode } from '../core/index.ts';
import type { Findings } from './findings.ts';
import { didYouMean } from './nearest.ts';

/** The base source an image asks for, or undefined when a problem was found. Looks at files of this host, never at a network. */
export async function resolveBase(found: Findings): Promise<BaseSource | undefined> {
  const { values, os } = found;
  if (os === undefined || values.arch === undefined || found.failed('base')) return undefined;
  const offered = os.bases[values.arch] ?? [];
  const choice = values.base;
  if (choice === undefined || typeof choice === 'string') return fromCatalog(found, offered, choice);
  if ('file' in choice) return fromFile(found, choice);
  if ('url' in choice) {
    const { url, format, sha256 } = choice;
    return { kind: 'cloud-image', url, format, checksum: { kind: 'pinned', digest: { algorithm: 'sha256', hex: sha256 } } };
  }
  const bootstrap = fromCatalog(found, offered, 'bootstrap');
  if (bootstrap?.kind !== 'bootstrap') return undefined;
  const { mirror, packages } = choice.bootstrap;
  return { ...bootstrap, ...(mirror === undefined ? {} : { mirror }), packages: [...bootstrap.packages, ...packages] };
}

function fromCatalog(found: Findings, offered: readonly BaseSource[], kind: string | undefined): BaseSource | undefined {
  const { os, values } = found;
  const source = kind === undefined ? offered[0] : offered.find((candidate) => candidate.kind === kind);
  if (source !== undefined) return source;
  const kinds = offered.map((candidate) => candidate.kind);
  if (kinds.length === 0) {
    const archs = Object.keys(os?.bases ?? {}).join(', ');
    found.add(
      ['arch'],
      `${os?.id} has no base for ${values.arch}; it has one for ${archs}`,
      'give a base file or url of your own',
    );
  } else {
    found.add(
      ['base'],
      `${os?.id} has no ${kind} base for ${values.arch}; it has ${kinds.join(', ')}`,
      didYouMean(kind ?? '', kinds),
    );
  }
  return undefined;
}

async function fromFile(found: Findings, choice: Extract<BaseChoice, { file: string }>): Promise<BaseSource | undefined> {
  const path = resolve(found.merged.dirOf(['base', 'file']), choice.file);
  let size: number | undefined;
  try {
    size = await virtualSize(path, choice.format);
  } catch (error) {
    const isMissing = systemCode(error) === 'ENOENT';
    found.add(['base', 'file'], isMissing ? `${path} does not exist` : `${path} cannot be used: ${errorMessage(error)}`);
    return undefined;
  }
  if (size !== undefined && found.values.disk !== undefined && size > found.values.disk) {
    found.add(['disk'], `is smaller than the base: ${formatBytes(found.values.disk)} for a base of ${formatBytes(size)}`);
  }
  const digest = choice.sha256 === undefined ? {} : { digest: { algorithm: 'sha256' as const, hex: choice.sha256 } };
  return { kind: 'file', path, format: choice.format, ...digest };
}

/** First bytes of a qcow2 file; its virtual size is a big-endian u64 at byte 24 (QEMU docs/interop/qcow2.rst). */
const QCOW2_MAGIC = 0x51_46_49_fb;

async function virtualSize(path: string, format: DiskFormat): Promise<number | undefined> {
  const file = await open(path, 'r');
  try {
    const stats = await file.stat();
    if (!stats.isFile()) throw new Error('not a file');
    const header = Buffer.alloc(32);
    await file.read(header, 0, header.length, 0);
    const isQcow2 = header.readUInt32BE(0) === QCOW2_MAGIC;
    if (isQcow2 !== (format === 'qcow2'))
      throw new Error(
        isQcow2
          ? `it is a qcow2 image, but base.format says ${format}`
          : 'it is not a qcow2 image; base.format may be raw or vmdk',
      );
    if (isQcow2) return Number(header.readBigUInt64BE(24));
    return format === 'raw' ? stats.size : undefined;
  } finally {
    await file.close();
  }
}
