import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Context, formatBytes, type Scope, throwIfAborted } from '../../src/core/index.ts';
import { hashFile } from '../../src/io/hash.ts';
import type { KnownBase } from '../../src/io/local-base.ts';
import { convert } from '../../src/io/qemu-img.ts';
import { createVolume, deleteVolume, fileBytes, makeVolume, requireRoom } from './pool.ts';
import { type Registrar, registered } from './resources.ts';
import { isTaken, type Virsh } from './virsh.ts';

const POLL_MS = 1000;
/** An upload of somebody else's that has not come further for this long is a dead one. */
const STALLED_MS = 30_000;

export interface BaseUpload {
  readonly virsh: Virsh;
  readonly base: KnownBase;
  readonly registrar: Registrar;
  /** Name of a volume for this machine alone; undefined for one that stays in the pool for the next. */
  readonly ownName: string | undefined;
  readonly scope: Scope;
}

/** Sees to it that the pool has the base; returns the name of its volume. */
export async function uploadBase(upload: BaseUpload, context: Context): Promise<string> {
  const { base, virsh, registrar, scope, ownName } = upload;
  // A qcow2 file can be uploaded as it is.
  const isPlain = base.isWhole && base.file.format === 'qcow2';
  const path = isPlain ? base.file.path : await converted(upload, context);
  const { size } = await stat(path);
  const send = async (name: string): Promise<void> => {
    context.span.note(`uploading the base to ${virsh.place}, ${formatBytes(size)}`);
    await virsh.send(['vol-upload', '--pool', registrar.pool, name], path, context.signal);
  };
  if (ownName !== undefined) {
    await requireRoom(virsh, registrar.pool, size, context.signal);
    await makeVolume(virsh, { name: ownName, bytes: base.virtualBytes, format: 'qcow2' }, registrar, scope, context);
    await send(ownName);
    return ownName;
  }
  const { digests } = await hashFile(path, 'sha256', { signal: context.signal });
  const name = `kib-base-${digests.sha256}.qcow2`;
  while (!(await isWhole(name, size, upload, context))) {
    await requireRoom(virsh, registrar.pool, size, context.signal);
    if (await claim(name, upload, context, send)) break;
  }
  return name;
}

/** Makes the volume and fills it, unless somebody else has just made it. Until it is whole it is ours to remove. */
async function claim(
  name: string,
  upload: BaseUpload,
  context: Context,
  send: (name: string) => Promise<void>,
): Promise<boolean> {
  const { virsh, base, registrar, scope } = upload;
  let isOurs = true;
  const remove = async (): Promise<unknown> => (isOurs ? deleteVolume(virsh, registrar.pool, name, context) : undefined);
  const keep = await registered('libvirt:volume', name, registrar, scope, context.journal, remove);
  throwIfAborted(context.signal);
  try {
    await createVolume(virsh, registrar, { name, bytes: base.virtualBytes, format: 'qcow2' }, context);
  } catch (error) {
    if (!isTaken(error)) throw error;
    isOurs = false;
    await keep();
    return false;
  }
  await send(name);
  await keep();
  return true;
}

/** Whether the pool has the base. Waits for somebody else's upload as long as it goes on; removes one that does not. */
async function isWhole(name: string, size: number, { virsh, registrar }: BaseUpload, context: Context): Promise<boolean> {
  const { clock, signal } = context;
  let [last, movedAt] = [-1, clock.now()];
  for (;;) {
    const bytes = await fileBytes(virsh, registrar.pool, name, signal);
    if (bytes === undefined) return false;
    // It is written from its beginning to its end, so its length tells.
    if (bytes >= size) return true;
    if (bytes !== last) [last, movedAt] = [bytes, clock.now()];
    if (clock.now() - movedAt >= STALLED_MS) {
      await deleteVolume(virsh, registrar.pool, name, context);
      return false;
    }
    await clock.sleep(POLL_MS, signal);
  }
}

async function converted({ base, registrar }: BaseUpload, { signal, span }: Context): Promise<string> {
  const target = join(registrar.folder, 'base.qcow2');
  span.note('converting the base to qcow2');
  await convert({ source: base.file, target, targetFormat: 'qcow2', signal });
  return target;
}
