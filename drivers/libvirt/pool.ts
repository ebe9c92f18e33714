import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Context, isKibError, KibError, type Scope, throwIfAborted } from '../../src/core/index.ts';
import { FULL_HINT } from './errors.ts';
import type { LibvirtOptions } from './options.ts';
import { type Registrar, registered } from './resources.ts';
import { isNotFound, type Virsh } from './virsh.ts';
import { bytesIn, type NewVolume, volumeXml } from './volume-xml.ts';

/** Makes an active pool of the one that the options name. Throws KIB_LIBVIRT_POOL. */
export async function findPool(virsh: Virsh, { pool, poolPath }: LibvirtOptions, signal: AbortSignal): Promise<void> {
  const info = await poolInfo(virsh, pool, signal);
  if (info === undefined && poolPath !== undefined) {
    // At the user's word, and for good: it stays, as a pool does.
    await virsh.run(['pool-define-as', pool, 'dir', '--target', poolPath], signal);
    await virsh.run(['pool-build', pool], signal);
    await virsh.run(['pool-start', pool], signal);
    await virsh.run(['pool-autostart', pool], signal);
    return;
  }
  if (info === undefined) {
    throw new KibError('KIB_LIBVIRT_POOL', `libvirt of ${virsh.place} has no storage pool ${pool}`, {
      hint: 'set poolPath to the folder it shall be made in, or choose one that virsh pool-list --all shows',
    });
  }
  if (info['State'] !== 'running') {
    throw new KibError('KIB_LIBVIRT_POOL', `storage pool ${pool} of ${virsh.place} is ${info['State'] ?? 'not active'}`, {
      hint: `virsh pool-start ${pool}`,
    });
  }
  const type = /<pool type=['"]([^'"]+)/.exec(await virsh.run(['pool-dumpxml', pool], signal))?.[1] ?? '';
  if (['dir', 'fs', 'netfs'].includes(type)) return;
  throw new KibError(
    'KIB_LIBVIRT_POOL',
    `storage pool ${pool} of ${virsh.place} is of type ${type}, which holds no qcow2 files`,
    {
      hint: 'choose a pool of type dir, fs or netfs',
    },
  );
}

/** Throws KIB_LIBVIRT_POOL_FULL when the pool says that it has less room than that. */
export async function requireRoom(virsh: Virsh, pool: string, bytes: number, signal: AbortSignal): Promise<void> {
  const available = Number((await poolInfo(virsh, pool, signal))?.['Available'] ?? Number.NaN);
  if (!(available < bytes)) return;
  throw new KibError(
    'KIB_LIBVIRT_POOL_FULL',
    `storage pool ${pool} of ${virsh.place} has ${available} bytes free, and ${bytes} are needed`,
    {
      hint: FULL_HINT,
    },
  );
}

/** Makes a volume that is journalled before it exists and removed with the scope. */
export async function makeVolume(
  virsh: Virsh,
  volume: NewVolume,
  registrar: Registrar,
  scope: Scope,
  context: Context,
): Promise<void> {
  const remove = () => deleteVolume(virsh, registrar.pool, volume.name, context);
  await registered('libvirt:volume', volume.name, registrar, scope, context.journal, remove);
  throwIfAborted(context.signal);
  await createVolume(virsh, registrar, volume, context);
}

/** The same for one that somebody else has registered. */
export async function createVolume(
  virsh: Virsh,
  { pool, folder }: Registrar,
  volume: NewVolume,
  { signal }: Context,
): Promise<void> {
  const path = join(folder, `${volume.name}.xml`);
  await writeFile(path, volumeXml(volume), { mode: 0o600 });
  // Never cut short: who knows whether it was made.
  await virsh.send(['vol-create', pool], path, new AbortController().signal);
  throwIfAborted(signal);
}

/** Path of a volume on libvirt's host. */
export async function volumePath(virsh: Virsh, pool: string, name: string, signal: AbortSignal): Promise<string> {
  return (await virsh.run(['vol-path', '--pool', pool, name], signal)).trim();
}

/** Size of a volume's file in bytes, or undefined when there is no such volume. */
export async function fileBytes(virsh: Virsh, pool: string, name: string, signal: AbortSignal): Promise<number | undefined> {
  try {
    const dump = await virsh.run(['vol-dumpxml', '--pool', pool, name], signal);
    return bytesIn(dump, 'physical') || bytesIn(dump, 'allocation');
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

const BUSY_TRIES = 20;
const BUSY_MS = 500;

/** Removes a volume; nothing when it is gone. One that is still being written to (an upload that was cut short) is waited for. */
export async function deleteVolume(
  virsh: Virsh,
  pool: string,
  name: string,
  { clock }: Pick<Context, 'clock'>,
): Promise<boolean> {
  const { signal } = new AbortController();
  for (let attempt = 1; ; attempt++) {
    try {
      await virsh.run(['vol-delete', '--pool', pool, name], signal);
      return true;
    } catch (error) {
      if (isNotFound(error)) return false;
      const isBusy = isKibError(error) && error.details['failure'] === 'busy';
      if (!isBusy || attempt === BUSY_TRIES) throw error;
    }
    await clock.sleep(BUSY_MS);
  }
}

async function poolInfo(virsh: Virsh, pool: string, signal: AbortSignal): Promise<Readonly<Record<string, string>> | undefined> {
  try {
    return facts(await virsh.run(['pool-info', '--bytes', pool], signal));
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** `Name:   value` lines, as virsh's info commands print them. */
export function facts(text: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    text.split('\n').flatMap((line) => {
      const [, key, value] = /^([^:]+):\s+(.*?)\s*$/.exec(line) ?? [];
      return key === undefined || value === undefined ? [] : [[key, value]];
    }),
  );
}
