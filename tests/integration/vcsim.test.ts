import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { baseItem } from '../../drivers/vsphere/base-item.ts';
import { Vcenter } from '../../drivers/vsphere/client.ts';
import { deleteItem, findItems, findLibrary, readItem, uploadItem } from '../../drivers/vsphere/library.ts';
import { type VsphereOptions, vsphereOptionsSchema } from '../../drivers/vsphere/options.ts';
import { MiB } from '../../src/core/index.ts';
import { testContext } from '../support/test-context.ts';
import { LOGIN } from '../support/vsphere/fake.ts';
import { startVcsim, type Vcsim, vcsimProgram } from '../support/vsphere/vcsim.ts';

const found = await vcsimProgram();
if ('missing' in found) console.warn(`not run against vcsim: ${found.missing}`);

// Somebody else's idea of vCenter. It has no inventory, machines or tasks in REST, so only session and library meet it.
describe.skipIf('missing' in found)('the vSphere client on govmomi’s vcsim', () => {
  let dir: string;
  let vcsim: Vcsim;
  let options: VsphereOptions;
  const { signal } = new AbortController();

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'kib-vcsim-'));
    vcsim = await startVcsim('program' in found ? found.program : '', dir);
  });
  afterAll(async () => {
    await vcsim[Symbol.asyncDispose]();
    await rm(dir, { recursive: true, force: true });
  });
  beforeEach(() => {
    options = vsphereOptionsSchema.parse({ server: vcsim.server, ...LOGIN, insecure: true, pollSeconds: 0.05 });
  });

  it('logs in, and says when it may not', async () => {
    await using context = await testContext();
    await using vcenter = await Vcenter.open(options, context);
    expect(await vcenter.version(signal)).toMatch(/^\d+\.\d+/);
    expect(await vcenter.call({ method: 'GET', path: '/api/content/library', signal }, z.array(z.string()))).toEqual([]);
    const wrong = vsphereOptionsSchema.parse({
      server: vcsim.server,
      username: LOGIN.username,
      password: 'wrong',
      insecure: true,
    });
    await using other = await Vcenter.open(wrong, context);
    await expect(findItems(other, { name: 'x' }, signal)).rejects.toMatchObject({ code: 'KIB_VSPHERE_LOGIN' });
  });

  it('makes a library, uploads an ISO and an OVF into it, and removes them', async () => {
    await using context = await testContext();
    await using vcenter = await Vcenter.open(options, context);
    await expect(findLibrary(vcenter, 'nothing', vcsim.datastore, signal)).rejects.toMatchObject({
      code: 'KIB_VSPHERE_PLACEMENT',
    });
    const library = await findLibrary(vcenter, 'kib-native', vcsim.datastore, signal);
    expect(await findLibrary(vcenter, 'kib-native', undefined, signal)).toBe(library);
    const path = join(dir, 'seed.iso');
    await writeFile(path, Buffer.alloc(300_000, 'seed'));
    const iso = await uploadItem(vcenter, { name: 'seed', library, type: 'iso', description: 'x' }, [{ path }], options, context);
    expect(await readItem(vcenter, iso, signal)).toMatchObject({ name: 'seed', type: 'iso', library_id: library });
    // vcsim reads the descriptor and the head of the disk.
    const raw = join(dir, 'base.raw');
    await writeFile(raw, Buffer.alloc(4 * MiB, 'base'));
    const machine = {
      arch: 'amd64',
      firmware: 'bios',
      cpus: 1,
      memoryBytes: 512 * MiB,
      diskBytes: 8 * MiB,
      x86Level: 1,
    } as const;
    const upload = { vcenter, base: { path: raw, format: 'raw' }, machine, library, folder: dir, name: 'kib-1' } as const;
    const { id: ovf } = await baseItem(upload, options, context);
    const kept = (await readItem(vcenter, ovf, signal))?.name ?? '';
    expect(kept).toMatch(/^kib-base-[0-9a-f]{64}$/);
    expect((await baseItem(upload, options, context)).id).toBe(ovf);
    expect(await findItems(vcenter, { name: kept, library_id: library }, signal)).toEqual([ovf]);
    expect(await findItems(vcenter, { name: 'kib-1-base', library_id: library }, signal)).toEqual([]);
    for (const id of [iso, ovf]) await deleteItem(vcenter, id);
    await deleteItem(vcenter, iso);
    expect(await readItem(vcenter, ovf, signal)).toBe(undefined);
  });
});
