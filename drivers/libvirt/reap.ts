import { type Clock, type Resource, systemClock } from '../../src/core/index.ts';
import { removeDomain } from './domain.ts';
import { connectionOptionsSchema } from './options.ts';
import { deleteVolume } from './pool.ts';
import { connectVirsh } from './virsh.ts';

const DEADLINE_MS = 120_000;

/** Removes a domain or a volume that a dead build left; the journal knows where. */
export async function reap(resource: Resource, clock: Clock = systemClock): Promise<string> {
  const { connection, pool } = resource.data ?? {};
  if (connection === undefined || pool === undefined) throw new Error(`${resource.kind} ${resource.id} does not say where it is`);
  const options = connectionOptionsSchema.parse(JSON.parse(connection));
  await using virsh = await connectVirsh(options, clock, AbortSignal.timeout(DEADLINE_MS));
  const wasThere =
    resource.kind === 'libvirt:domain'
      ? await removeDomain(virsh, resource.id)
      : await deleteVolume(virsh, pool, resource.id, { clock });
  return wasThere ? `removed from ${virsh.place}` : 'was gone already';
}
