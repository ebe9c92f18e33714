import { rm, stat } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { type Context, type DiskFormat, formatBytes, KibError, type Scope } from '../../src/core/index.ts';
import { type BaseRequest, inspectBase, type KnownBase } from '../../src/io/local-base.ts';
import { CommandError } from '../../src/io/process.ts';
import { backingChain, create, rebase, restack } from '../../src/io/qemu-img.ts';
import { uploadBase } from './base.ts';
import { makeVolume, requireRoom, volumePath } from './pool.ts';
import type { Registrar } from './resources.ts';
import type { Virsh } from './virsh.ts';

/** A base with what it stands on. */
export interface BaseChain {
  readonly base: KnownBase;
  /** What lies below all layers, for a base that is one; else the base itself. */
  readonly bottom: KnownBase;
}

export interface ChainUpload extends BaseChain {
  readonly virsh: Virsh;
  readonly registrar: Registrar;
  /** How the names of volumes for this machine alone begin. */
  readonly name: string;
  /** Whether the bottom stays in the pool for the next machine. */
  readonly isKept: boolean;
  readonly scope: Scope;
}

const FORMATS: readonly DiskFormat[] = ['qcow2', 'raw', 'vmdk'];

/** Looks at a base and at all it stands on. Throws as inspectBase does. */
export async function inspectChain(request: BaseRequest, signal: AbortSignal): Promise<BaseChain> {
  const base = await inspectBase(request, signal);
  const alone = { base, bottom: base };
  if (base.isWhole || base.file.offset !== undefined) return alone;
  const lowest = await lowestOf(base, signal);
  const format = FORMATS.find((known) => known === lowest?.format);
  // Where it is no file of this host, it travels with all that stands on it.
  if (lowest === undefined || format === undefined || !isAbsolute(lowest.path)) return alone;
  const { path, virtualBytes } = lowest;
  return { base, bottom: { file: { path, format }, virtualBytes, isWhole: true } };
}

async function lowestOf({ file }: KnownBase, signal: AbortSignal) {
  try {
    return (await backingChain(file, signal)).at(-1);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    throw new KibError('KIB_DRIVER_CANNOT', `what the base stands on cannot be opened: ${error.message}`, { cause: error });
  }
}

/**
 * Sees to it that the pool has the base with all it stands on; returns the path there. The bottom may stay for the next machine; the layers on
 * top of it go with this one, as one volume: the next build mostly starts on others.
 */
export async function uploadChain(upload: ChainUpload, context: Context): Promise<string> {
  const { virsh, base, bottom, registrar, name, isKept, scope } = upload;
  const ownName = isKept ? undefined : `${name}-base.qcow2`;
  const lowest = await uploadBase({ virsh, base: bottom, registrar, ownName, scope }, context);
  const path = await volumePath(virsh, registrar.pool, lowest, context.signal);
  return base === bottom ? path : uploadLayers(upload, path, context);
}

async function uploadLayers(
  { virsh, base, bottom, registrar, name, scope }: ChainUpload,
  below: string,
  context: Context,
): Promise<string> {
  const { signal, span } = context;
  const { pool, folder } = registrar;
  const volume = `${name}-layers.qcow2`;
  const layers = { path: join(folder, 'layers.qcow2'), format: 'qcow2' } as const;
  span.note('putting the layers together');
  await create({ ...layers, backing: base.file }, signal);
  await restack(layers, bottom.file, signal);
  await rebase(layers, { path: below, format: 'qcow2' }, signal);
  const { size } = await stat(layers.path);
  await requireRoom(virsh, pool, size, signal);
  await makeVolume(virsh, { name: volume, bytes: base.virtualBytes, format: 'qcow2' }, registrar, scope, context);
  span.note(`uploading the layers to ${virsh.place}, ${formatBytes(size)}`);
  await virsh.send(['vol-upload', '--pool', pool, volume], layers.path, signal);
  await rm(layers.path);
  return volumePath(virsh, pool, volume, signal);
}
