import { open } from 'node:fs/promises';
import { resolve } from 'node:path';
import {
  type BaseChoice,
  type BaseKind,
  type BaseSource,
  type DiskFormat,
  type Driver,
  errorMessage,
  formatBytes,
  LOCAL_BASES,
  systemCode,
} from '../core/index.ts';
import type { Findings } from './findings.ts';
import { didYouMean } from './nearest.ts';

/** What `base: <word>` asks the catalog for. */
type Word = Extract<BaseChoice, string>;

/**
 * The base source an image asks for, or undefined when a problem was found. Looks at files of this host, never at a network. Without a
 * driver, since none of that name exists, it goes by what can start on this host.
 */
export async function resolveBase(found: Findings, driver: Driver | undefined): Promise<BaseSource | undefined> {
  const { values, os } = found;
  if (os === undefined || values.arch === undefined || found.failed('base')) return undefined;
  const usable = driver?.capabilities.bases ?? LOCAL_BASES;
  const source = await choose(found, os.bases[values.arch] ?? [], usable);
  if (source === undefined || usable.includes(source.kind)) return source;
  found.add(
    ['base'],
    `driver ${driver?.name ?? ''} cannot start from ${NAMES[source.kind]}; it starts from ${usable.map((kind) => NAMES[kind]).join(', ')}`,
    undefined,
    'KIB_DRIVER_CANNOT',
  );
  return undefined;
}

const NAMES: Readonly<Record<BaseKind, string>> = {
  'cloud-image': 'a cloud image',
  file: 'a file of this host',
  bootstrap: 'a bootstrapped base',
  ami: 'an Amazon machine image',
  template: 'a template of the hypervisor',
};

async function choose(
  found: Findings,
  offered: readonly BaseSource[],
  usable: readonly BaseKind[],
): Promise<BaseSource | undefined> {
  const choice = found.values.base;
  if (choice === undefined) return fromCatalog(found, offered, (source) => usable.includes(source.kind));
  if (typeof choice === 'string') return fromCatalog(found, offered, (source) => isCalled(source, choice), choice);
  if ('file' in choice) return fromFile(found, choice);
  if ('ami' in choice) return { kind: 'ami', ami: typeof choice.ami === 'string' ? { id: choice.ami } : choice.ami };
  if ('template' in choice) return { kind: 'template', name: choice.template };
  if ('url' in choice) {
    const { url, format, sha256 } = choice;
    return { kind: 'cloud-image', url, format, checksum: { kind: 'pinned', digest: { algorithm: 'sha256', hex: sha256 } } };
  }
  const bootstrap = fromCatalog(found, offered, (source) => source.kind === 'bootstrap', 'bootstrap');
  if (bootstrap?.kind !== 'bootstrap') return undefined;
  const { mirror, packages } = choice.bootstrap;
  return { ...bootstrap, ...(mirror === undefined ? {} : { mirror }), packages: [...bootstrap.packages, ...packages] };
}

function isCalled(source: BaseSource, word: Word): boolean {
  if (word !== 'pinned' && word !== 'latest') return source.kind === word;
  return source.kind === 'cloud-image' && (source.checksum.kind === 'pinned') === (word === 'pinned');
}

function fromCatalog(
  found: Findings,
  offered: readonly BaseSource[],
  fits: (source: BaseSource) => boolean,
  word?: Word,
): BaseSource | undefined {
  const { os, values } = found;
  const source = offered.find(fits);
  if (source !== undefined || os === undefined) return source;
  const archs = Object.keys(os.bases);
  const words = [...new Set(offered.flatMap(wordsOf))];
  if (offered.length === 0 && archs.length > 0) {
    const message = `${os.id} has no base for ${values.arch}; it has one for ${archs.join(', ')}`;
    found.add(['arch'], message, 'give a base file or url of your own');
  } else if (word === undefined || words.length === 0) {
    const message = `${os.id} comes without a base${words.length === 0 ? '' : ' for this driver'}; bring one of your own`;
    found.add(['base'], message, os.bring ?? 'give a base file or url of your own');
  } else {
    const message = `${os.id} has no ${word} base for ${values.arch}; it has ${words.join(', ')}`;
    found.add(['base'], message, didYouMean(word, words) ?? os.bring);
  }
  return undefined;
}

function wordsOf(source: BaseSource): readonly Word[] {
  const words: readonly Word[] = ['cloud-image', 'pinned', 'latest', 'bootstrap', 'ami'];
  return words.filter((word) => isCalled(source, word));
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
