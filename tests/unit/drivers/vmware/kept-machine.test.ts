import { mkdir, mkdtemp, readdir, readFile, rename, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { keptKey } from '../../../../drivers/vmware/kept-key.ts';
import { linkedClone } from '../../../../drivers/vmware/kept-machine.ts';
import { vmwareOptionsSchema } from '../../../../drivers/vmware/options.ts';
import { type MachineSpec, MiB, Scope } from '../../../../src/core/index.ts';
import { makeOwnFolder } from '../../../../src/io/own-path.ts';
import { compare, create, type DiskFile } from '../../../../src/io/qemu-img.ts';
import { type TestContext, testContext } from '../../../support/test-context.ts';

const { signal } = new AbortController();
const MACHINE: MachineSpec = {
  arch: 'amd64',
  firmware: 'uefi',
  cpus: 2,
  memoryBytes: 64 * MiB,
  diskBytes: 4 * MiB,
  x86Level: 1,
};

let dir: string;
let context: TestContext;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kib-kept-'));
  context = await testContext();
});
afterEach(async () => {
  await context[Symbol.asyncDispose]();
  await rm(dir, { recursive: true, force: true });
});

async function rawBase(name: string): Promise<DiskFile> {
  const path = join(dir, name);
  await writeFile(path, Buffer.alloc(MiB, name));
  return { path, format: 'raw' };
}

describe('the key of a kept machine', () => {
  const key = (base: DiskFile, change: Readonly<Record<string, unknown>> = {}, bytes = 4 * MiB) =>
    keptKey({ base, bytes, options: vmwareOptionsSchema.parse(change) }, signal);

  it('is another for another size, controller or hardware version, and for nothing else of the options', async () => {
    const base = await rawBase('base.img');
    const first = await key(base);
    expect(first).toMatch(/^[0-9a-f]{64}$/);
    const others = [{ diskInterface: 'sata' }, { hardwareVersion: 21 }].map((change) => key(base, change));
    expect(new Set([first, ...(await Promise.all(others)), await key(base, {}, 8 * MiB)]).size).toBe(4);
    const same = { network: 'bridged', seed: 'guestinfo', guestOs: 'debian12-64', gui: true, vmx: { 'kib.x': '1' } };
    expect(await key(base, same)).toBe(first);
  });

  it('follows the files down to the base, where they were moved to and when they were touched', async () => {
    const base = await rawBase('base.img');
    const layer = { path: join(dir, 'layer/disk.qcow2'), format: 'qcow2' } as const;
    await mkdir(join(dir, 'layer'));
    await create({ path: layer.path, format: 'qcow2', backing: { path: '../base.img', format: 'raw' } }, signal);
    const first = await key(layer);
    expect(first).not.toBe(await key(base));
    await rename(join(dir, 'layer'), join(dir, 'elsewhere'));
    expect(await key({ ...layer, path: join(dir, 'elsewhere/disk.qcow2') })).toBe(first);
    await utimes(base.path, 1, 1);
    const second = await key({ ...layer, path: join(dir, 'elsewhere/disk.qcow2') });
    expect(second).not.toBe(first);
  });

  it('is never the same for what is no whole file', async () => {
    const base = await rawBase('base.img');
    const layer = { path: join(dir, 'layer.qcow2'), format: 'qcow2' } as const;
    await create({ path: layer.path, format: 'qcow2', backing: { ...base, offset: 512 } }, signal);
    expect(await key(layer)).not.toBe(await key(layer));
  });
});

describe('a linked clone', () => {
  /** A vmrun that notes what it was asked. Of a machine without its list of snapshots it makes no clone; `refuse` is what it makes none at all for. */
  async function host(refuse?: string) {
    const vmrun = join(dir, 'vmrun');
    const asked = join(dir, 'asked');
    const script = `#!/bin/sh
echo "$@" >>'${asked}'
case $3 in
snapshot) echo "$5" >"$(dirname "$4")/kept.vmsd" ;;
clone)
  ${refuse === undefined ? '' : `echo 'Error: ${refuse}'; exit 255`}
  [ -e "$(dirname "$4")/kept.vmsd" ] || { echo 'Error: The snapshot does not exist'; exit 255; }
  echo 'scsi0:0.fileName = "x-cl1.vmdk"' >"$5" ;;
esac
`;
    await writeFile(vmrun, script, { mode: 0o755 });
    await writeFile(asked, '');
    return { vmrun, product: 'ws' } as const;
  }

  const cache = () => join(context.dirs.cache, 'vmware');
  const machines = async () => (await readdir(cache())).sort();
  const asked = async () => (await readFile(join(dir, 'asked'), 'utf8')).trimEnd().split('\n');
  let count = 0;

  async function clone(base: DiskFile, scope = context.scope, vmrun = host()) {
    const owners = { scope, journal: context.journal };
    const folder = await makeOwnFolder(join(context.dirs.work, `m${++count}`), owners);
    const options = vmwareOptionsSchema.parse({ vmx: { 'guestinfo.secret': 'x', 'kib.mine': 'y' } });
    const request = { host: await vmrun, options, machine: MACHINE, base, vmx: join(folder, 'm.vmx') };
    return { folder, ...(await linkedClone(request, owners, context)) };
  }

  /** How many machines to clone were made, and whether this one holds what its base does. */
  const made = async () => (await asked()).filter((line) => line.includes('snapshot /')).length;
  const isLike = async (base: DiskFile, { frozen }: { readonly frozen: string }) =>
    (await compare(base, { path: frozen, format: 'vmdk' }, signal)).identical;

  it('is one of a machine that is made once, and kept', async () => {
    const base = await rawBase('base.img');
    const vmrun = host();
    const scope = new Scope();
    const first = await clone(base, scope, vmrun);
    const [part = ''] = (await asked())[0]?.match(/\S+kept\.vmx/) ?? [];
    expect(part).toContain(`${cache()}/.part-${context.buildId}-`);
    expect(first.disk).toBe(join(first.folder, 'x-cl1.vmdk'));
    const kept = join(first.frozen, '..');
    expect((await readdir(kept)).sort()).toEqual(['disk.vmdk', 'kept.vmsd', 'kept.vmx', 'stamp']);
    const vmx = await readFile(join(kept, 'kept.vmx'), 'utf8');
    expect(vmx).toContain('scsi0:0.fileName = "disk.vmdk"');
    expect(vmx).not.toMatch(/serial0|sata1|guestinfo|kib\.mine|\.part-/);
    const second = await clone(base, scope, vmrun);
    expect(second.frozen).toBe(first.frozen);
    const cloned = (folder: string) =>
      `-T ws clone ${join(kept, 'kept.vmx')} ${join(folder, 'm.vmx')} linked -snapshot=kib -cloneName=m`;
    expect(await asked()).toEqual([`-T ws snapshot ${part} kib`, cloned(first.folder), cloned(second.folder)]);
    // The folders of the clones, and that these need the machine.
    expect(context.journal.held).toHaveLength(4);
    await scope[Symbol.asyncDispose]();
    expect(context.journal.held).toEqual([]);
    expect(await machines()).toEqual([kept.split('/').at(-1)]);
  });

  it('lets the machines go that were not used for longest, beyond three, and none that has a clone', async () => {
    const scope = new Scope();
    const frozen = new Map<string, string>();
    const use = async (name: string, days: number, owner = scope) => {
      const made = await clone(await rawBase(name), owner);
      frozen.set(name, made.frozen);
      const seconds = context.clock.now() / 1000 - days * 86_400;
      await utimes(join(made.frozen, '../stamp'), seconds, seconds);
    };
    const left = async () => {
      const names = await machines();
      return [...frozen].filter(([, path]) => names.some((name) => path.includes(name))).map(([name]) => name);
    };
    await use('running', 9, context.scope);
    for (const [name, days] of [
      ['old', 5],
      ['older', 6],
    ] as const)
      await use(name, days);
    expect(await left()).toEqual(['running', 'old', 'older']);
    await scope[Symbol.asyncDispose]();
    await use('new', 0, new Scope());
    expect(await left()).toEqual(['running', 'old', 'new']);
    await context.scope[Symbol.asyncDispose]();
    await use('newest', 0, new Scope());
    expect(await left()).toEqual(['old', 'new', 'newest']);
  });

  const damages: Readonly<Record<string, (kept: string) => Promise<unknown>>> = {
    'has lost its disk': (kept) => rm(join(kept, 'disk.vmdk')),
    'has half its disk': (kept) => truncate(join(kept, 'disk.vmdk'), 70_000),
    'has other bytes on it': async (kept) => {
      const path = join(kept, 'disk.vmdk');
      const disk = await readFile(path);
      await writeFile(path, disk.fill('other', disk.indexOf('base.img')));
    },
    'has lost its snapshot': (kept) => rm(join(kept, 'kept.vmsd')),
    'is nothing but its disk': async (kept) => {
      for (const name of await readdir(kept)) if (name !== 'disk.vmdk') await rm(join(kept, name));
    },
  };

  it.for(Object.keys(damages))('is one of a machine that is made again when the kept one %s', async (name) => {
    const base = await rawBase('base.img');
    const scope = new Scope();
    const vmrun = host();
    const first = await clone(base, scope, vmrun);
    await scope[Symbol.asyncDispose]();
    await damages[name]?.(join(first.frozen, '..'));
    const again = await clone(base, context.scope, vmrun);
    expect(again.frozen).toBe(first.frozen);
    expect([await made(), await isLike(base, again)]).toEqual([2, true]);
    expect(context.events).toContainEqual(expect.objectContaining({ type: 'warning', code: 'KIB_DIGEST_MISMATCH' }));
    expect(await readdir(join(again.frozen, '..'))).toHaveLength(4);
    expect(await readdir(again.folder)).toEqual(['m.vmx']);
  });

  it('is one of the same machine when that was only touched', async () => {
    const base = await rawBase('base.img');
    const vmrun = host();
    const first = await clone(base, context.scope, vmrun);
    await utimes(first.frozen, 1, 1);
    for (let n = 0; n < 2; n++) await clone(base, context.scope, vmrun);
    expect(await made()).toBe(1);
    // Read once.
    expect(context.events.filter((event) => event.type === 'span.note')).toHaveLength(1);
  });

  it('fails when the machine of others’ clones is of no use, and leaves it to them', async () => {
    const base = await rawBase('base.img');
    const { frozen } = await clone(base);
    await rm(join(frozen, '../kept.vmsd'));
    await expect(clone(base)).rejects.toMatchObject({ code: 'KIB_CACHE_CHANGED' });
    expect(await readdir(join(frozen, '..'))).toContain('disk.vmdk');
  });

  it('fails once where VMware makes none, and says what to do', async () => {
    const refusing = clone(await rawBase('base.img'), context.scope, host('One of the parameters was invalid'));
    await expect(refusing).rejects.toMatchObject({
      code: 'KIB_VMRUN',
      message: 'vmrun clone failed: One of the parameters was invalid',
      hint: expect.stringContaining('--cache off') as string,
    });
    expect(await asked()).toHaveLength(2);
    expect(context.journal.held).toHaveLength(1);
  });
});
