import { open, readFile, stat } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { z } from 'zod';
import { type Arch, type DiskFormat, errorMessage, type Firmware, KibError, systemCode } from '../core/index.ts';
import type { DiskFile } from '../io/qemu-img.ts';

/** A finished disk of this host, and what is known about it. */
export interface PublishSource {
  readonly disk: DiskFile;
  /** Name for what is made of it. */
  readonly name: string;
  /** Known of a build's folder alone. */
  readonly arch?: Arch | undefined;
  readonly firmware?: Firmware | undefined;
  readonly properties: Readonly<Record<string, string>>;
}

const manifestSchema = z.object({
  name: z.string(),
  machine: z.object({ arch: z.enum(['amd64', 'arm64']), firmware: z.enum(['bios', 'uefi']) }),
  properties: z.record(z.string(), z.string()),
  artifacts: z.array(
    z.object({
      file: z.string(),
      format: z.enum(['qcow2', 'raw', 'ova']),
      disk: z.object({ format: z.enum(['qcow2', 'raw', 'vmdk']), offset: z.number(), bytes: z.number() }),
    }),
  ),
});

const FORMATS: Readonly<Record<string, DiskFormat>> = { '.raw': 'raw', '.img': 'raw', '.qcow2': 'qcow2', '.vmdk': 'vmdk' };
/** Least work to read first. */
const PREFERRED = ['raw', 'qcow2', 'ova'];
const TAR_BLOCK = 512;
const QCOW2 = Buffer.from('QFI\xfb', 'latin1');

/** Looks at what is to be published: a disk image, an OVA, a block device, or the folder of a build. Throws KIB_USAGE. */
export async function findSource(path: string): Promise<PublishSource> {
  const found = await stat(path).catch((error: unknown) => {
    throw new KibError('KIB_USAGE', `cannot read ${path}: ${errorMessage(error)}`, { cause: error });
  });
  if (found.isDirectory()) return fromBuild(path);
  if (found.isBlockDevice()) return { disk: { path, format: 'raw' }, name: basename(path), properties: {} };
  const extension = extname(path).toLowerCase();
  const name = basename(path, extname(path));
  if (extension === '.ova') return { disk: await diskInOva(path), name, properties: {} };
  const format = FORMATS[extension];
  if (format === undefined) {
    throw new KibError('KIB_USAGE', `${path} is no disk image by its name`, {
      hint: 'give a .raw, .img, .qcow2, .vmdk or .ova file, a block device, or the folder of a build',
    });
  }
  // Cloud images are called .img whatever they are.
  const isQcow2 = format === 'raw' && (await startOf(path)).equals(QCOW2);
  return { disk: { path, format: isQcow2 ? 'qcow2' : format }, name, properties: {} };
}

async function fromBuild(dir: string): Promise<PublishSource> {
  const path = join(dir, 'manifest.json');
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    const missing = systemCode(error) === 'ENOENT' ? 'it has no manifest.json' : errorMessage(error);
    throw new KibError('KIB_USAGE', `${dir} is not the folder of a build: ${missing}`, { cause: error });
  });
  const parsed = manifestSchema.safeParse(parse(text));
  if (!parsed.success) throw new KibError('KIB_USAGE', `${path} is no manifest of a build: ${parsed.error.message}`);
  const { name, machine, properties, artifacts } = parsed.data;
  const [best] = artifacts.toSorted((a, b) => PREFERRED.indexOf(a.format) - PREFERRED.indexOf(b.format));
  if (best === undefined) throw new KibError('KIB_USAGE', `${dir} holds no disk: its images stayed with their hypervisor`);
  const file = { path: join(dir, best.file), format: best.disk.format };
  const disk = best.disk.offset === 0 ? file : { ...file, offset: best.disk.offset, bytes: best.disk.bytes };
  return { disk, name, properties, arch: machine.arch, firmware: machine.firmware };
}

/** The first VMDK of an OVA, which is a tar file (OVF 2.1.1 §7; POSIX pax, ustar). */
async function diskInOva(path: string): Promise<DiskFile> {
  const file = await open(path, 'r');
  try {
    const head = Buffer.alloc(TAR_BLOCK);
    for (let at = 0; ; ) {
      const { bytesRead } = await file.read(head, 0, TAR_BLOCK, at);
      if (bytesRead < TAR_BLOCK || head[0] === 0) throw new KibError('KIB_USAGE', `${path} is no OVA with a VMDK in it`);
      const name = head.toString('utf8', 0, 100).replace(/\0.*$/s, '');
      const bytes = tarSize(head);
      const offset = at + TAR_BLOCK;
      if (name.toLowerCase().endsWith('.vmdk'))
        return { path, format: 'vmdk', offset, bytes: Math.ceil(bytes / TAR_BLOCK) * TAR_BLOCK };
      at = offset + Math.ceil(bytes / TAR_BLOCK) * TAR_BLOCK;
    }
  } finally {
    await file.close();
  }
}

/** Octal digits, or a big-endian number where those do not reach (GNU tar, star). */
function tarSize(head: Buffer): number {
  if (((head[124] ?? 0) & 0x80) !== 0) return Number(head.readBigUInt64BE(128));
  const bytes = Number.parseInt(head.toString('latin1', 124, 136).replace(/\0.*$/s, '').trim(), 8);
  if (Number.isNaN(bytes)) throw new KibError('KIB_USAGE', 'the OVA is no tar file');
  return bytes;
}

async function startOf(path: string): Promise<Buffer> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
