import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { inspectChain, uploadChain } from '../../../../drivers/libvirt/chain.ts';
import { diskAt } from '../../../../drivers/libvirt/disk.ts';
import { LibvirtFreezer, snapshotArgs } from '../../../../drivers/libvirt/freeze.ts';
import { connectionOptionsSchema } from '../../../../drivers/libvirt/options.ts';
import { type LocalBase, MiB } from '../../../../src/core/index.ts';
import { compare, convert, create, type DiskFile, info, rebase } from '../../../../src/io/qemu-img.ts';
import { type FakeVirsh, fakeVirsh } from '../../../support/libvirt/fake-virsh.ts';
import { type TestContext, testContext } from '../../../support/test-context.ts';

const { signal } = new AbortController();

let dir: string;
let context: TestContext;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kib-libvirt-'));
  context = await testContext();
});
afterEach(async () => {
  await context[Symbol.asyncDispose]();
  await rm(dir, { recursive: true, force: true });
});

const registrar = () => ({ connection: connectionOptionsSchema.parse({}), pool: 'pool', folder: context.dirs.work });

describe('freezing', () => {
  const place = async (name: string, below: string) => {
    await mkdir(join(dir, name));
    return { folder: join(dir, name), backing: `../${below}/disk.qcow2` };
  };
  const freezer = async (virsh: FakeVirsh): Promise<LibvirtFreezer> => {
    await create({ path: virsh.volume('m.qcow2'), format: 'qcow2', bytes: 8 * MiB }, signal);
    const options = { pool: 'pool', diskBus: 'virtio', seedBus: 'virtio' } as const;
    const machine = { virsh, name: 'm', options, registrar: registrar(), diskBytes: 8 * MiB, scope: context.scope, context };
    return new LibvirtFreezer(machine, diskAt(await place('a', 'base'), 'm.qcow2', 'raw'));
  };

  it('has an overlay ready before the guest goes on with it, and brings the disk below here', async () => {
    const virsh = await fakeVirsh(join(dir, 'pool'));
    const subject = await freezer(virsh);
    const frozen = await subject.freeze({ next: await place('b', 'first'), memory: false, signal });
    expect(frozen).toEqual({ files: ['disk.qcow2'], fingerprint: undefined, pausedMs: expect.any(Number) as number });
    expect(virsh.commands).toEqual([
      'vol-path --pool pool m.qcow2',
      'vol-create pool',
      'vol-path --pool pool m-1.qcow2',
      snapshotArgs('m', virsh.volume('m-1.qcow2'), { diskBus: 'virtio', seedBus: 'virtio' }).join(' '),
      'vol-dumpxml --pool pool m.qcow2',
      'vol-download --pool pool m.qcow2',
    ]);
    const [first, second] = [join(dir, 'a/disk.qcow2'), virsh.volume('m-1.qcow2')];
    expect((await info({ path: first, format: 'qcow2' }, signal)).backing).toBe('../base/disk.qcow2');
    expect((await info({ path: second, format: 'qcow2' }, signal)).backing).toBe(virsh.volume('m.qcow2'));
    expect((await stat(first)).mode & 0o777).toBe(0o400);
    expect(subject.disk).toEqual({
      volume: 'm-1.qcow2',
      path: join(dir, 'b/disk.qcow2'),
      backing: { path: '../first/disk.qcow2', format: 'qcow2' },
    });
    await subject.freeze({ next: await place('c', 'second'), memory: false, signal });
    expect(subject.disk.volume).toBe('m-2.qcow2');
    expect(context.journal.held.map(({ id }) => id)).toEqual(['m-1.qcow2', 'm-2.qcow2']);
  });

  it('fails when not all of the disk arrives', async () => {
    const virsh = await fakeVirsh(join(dir, 'pool'));
    const subject = await freezer(virsh);
    const short = { ...virsh, receive: async (_: unknown, path: string) => writeFile(path, 'a part') };
    const cut = new LibvirtFreezer(
      {
        virsh: short,
        name: 'm',
        options: { pool: 'pool', diskBus: 'virtio', seedBus: 'virtio' },
        registrar: registrar(),
        diskBytes: 8 * MiB,
        scope: context.scope,
        context,
      },
      subject.disk,
    );
    const freezing = cut.freeze({ next: await place('b', 'first'), memory: false, signal });
    await expect(freezing).rejects.toMatchObject({
      code: 'KIB_LIBVIRT',
      message: expect.stringMatching(/but 6 arrived/) as string,
    });
  });

  it('lets go of the disk that the guest has left, should it be aborted meanwhile', async () => {
    const abort = new AbortController();
    const virsh = await fakeVirsh(join(dir, 'pool'), (command) => {
      if (command.startsWith('snapshot')) abort.abort(new Error('enough'));
    });
    const subject = await freezer(virsh);
    const freezing = subject.freeze({ next: await place('b', 'first'), memory: false, signal: abort.signal });
    await expect(freezing).rejects.toMatchObject({ code: 'KIB_CANCELLED' });
    expect(subject.disk.volume).toBe('m-1.qcow2');
    expect(virsh.commands.at(-1)).toMatch(/^snapshot-create-as/);
    await context.scope[Symbol.asyncDispose]();
    expect(virsh.commands.at(-1)).toBe('vol-delete --pool pool m-1.qcow2');
    expect(context.journal.held).toEqual([]);
  });

  it('leaves the seed out, whatever the disks are called, and names any file', () => {
    const args = (diskBus: 'virtio' | 'scsi' | 'sata', seedBus: 'virtio' | 'scsi' | 'sata') =>
      snapshotArgs('m', '/a,b/c', { diskBus, seedBus }).filter((word) => word.includes('snapshot='));
    expect(args('virtio', 'virtio')).toEqual(['vda,snapshot=external,driver=qcow2,file=/a,,b/c', 'vdb,snapshot=no']);
    expect(args('sata', 'virtio')).toEqual(['sda,snapshot=external,driver=qcow2,file=/a,,b/c', 'vda,snapshot=no']);
    expect(args('scsi', 'scsi')).toEqual(['sda,snapshot=external,driver=qcow2,file=/a,,b/c', 'sdz,snapshot=no']);
  });
});

describe('a base that is a layer', () => {
  const WHOLE = 8 * MiB;
  let base: DiskFile;
  let top: DiskFile;

  /** Three images on one another; each but the lowest has changed something of the one below, and added something. */
  beforeEach(async () => {
    base = { path: join(dir, 'base.img'), format: 'raw' };
    const bytes = Buffer.alloc(2 * MiB);
    for (let at = 0; at < bytes.length; at += 4) bytes.writeUInt32LE((at * 2654435761) >>> 0, at);
    await writeFile(base.path, bytes);
    for (const name of ['a', 'b']) await mkdir(join(dir, name));
    const lower: DiskFile = { path: join(dir, 'a/disk.qcow2'), format: 'qcow2' };
    top = { path: join(dir, 'b/disk.qcow2'), format: 'qcow2' };
    await create({ path: lower.path, format: 'qcow2', bytes: WHOLE, backing: base }, signal);
    write(lower, 'write -P 0xaa 0 64k', 'write -P 0xaa 5M 64k', 'write -P 0xaa 1M 64k', 'write -z 512k 64k');
    await create(
      { path: top.path, format: 'qcow2', bytes: WHOLE, backing: { path: '../a/disk.qcow2', format: 'qcow2' } },
      signal,
    );
    write(top, 'write -P 0xbb 0 64k', 'write -P 0xbb 6M 64k', 'write -z 5M 4k');
  });

  const write = ({ path }: DiskFile, ...commands: readonly string[]): void => {
    execFileSync('qemu-io', ['-f', 'qcow2', ...commands.flatMap((command) => ['-c', command]), path], { stdio: 'ignore' });
  };

  const on = (local: LocalBase) => ({ base: local, machine: { diskBytes: WHOLE } });

  it('travels as two volumes, of which the lowest one stays', async () => {
    const virsh = await fakeVirsh(join(dir, 'pool'));
    const chain = await inspectChain(on({ ...top, format: 'qcow2' }), signal);
    expect(chain.bottom).toMatchObject({ file: base, virtualBytes: 2 * MiB });
    // The lowest one is there already, as the next machine finds it.
    const name = await uploadedBase(virsh, base);
    const upload = { ...chain, virsh, registrar: registrar(), name: 'm', isKept: true, scope: context.scope };
    const path = await uploadChain(upload, context);
    expect(path).toBe(virsh.volume('m-layers.qcow2'));
    const volume: DiskFile = { path, format: 'qcow2' };
    expect((await info(volume, signal)).backing).toBe(virsh.volume(name));
    expect(await compare(volume, top, signal)).toMatchObject({ identical: true });
    // On any disk that shows the same as the lowest one, and with nothing of it inside.
    await rebase(volume, base, signal);
    expect(await compare(volume, top, signal)).toMatchObject({ identical: true });
    expect((await stat(path)).size).toBeLessThan(MiB);
    expect(context.journal.held.map(({ id }) => id)).toEqual(['m-layers.qcow2']);
    await expect(stat(join(context.dirs.work, 'layers.qcow2'))).rejects.toMatchObject({ code: 'ENOENT' });
    await context.scope[Symbol.asyncDispose]();
    expect(virsh.commands.filter((command) => command.startsWith('vol-delete'))).toEqual([
      'vol-delete --pool pool m-layers.qcow2',
    ]);
  });

  it('is not kept with bases that are not', async () => {
    const virsh = await fakeVirsh(join(dir, 'pool'));
    const chain = await inspectChain(on({ ...top, format: 'qcow2' }), signal);
    await uploadChain({ ...chain, virsh, registrar: registrar(), name: 'm', isKept: false, scope: context.scope }, context);
    await context.scope[Symbol.asyncDispose]();
    expect(virsh.commands.filter((command) => command.startsWith('vol-delete'))).toEqual([
      'vol-delete --pool pool m-layers.qcow2',
      'vol-delete --pool pool m-base.qcow2',
    ]);
    expect(context.journal.held).toEqual([]);
  });

  it('is refused when something below is gone', async () => {
    await rm(base.path);
    await expect(inspectChain(on({ ...top, format: 'qcow2' }), signal)).rejects.toMatchObject({
      code: 'KIB_DRIVER_CANNOT',
      message: expect.stringContaining('base.img') as string,
    });
  });

  it('is told from a base that stands alone', async () => {
    const chain = await inspectChain(on({ path: base.path, format: 'raw' }), signal);
    expect(chain.bottom).toBe(chain.base);
    await truncate(base.path, WHOLE + 512);
    await expect(inspectChain(on({ path: base.path, format: 'raw' }), signal)).rejects.toMatchObject({
      code: 'KIB_DRIVER_CANNOT',
    });
  });

  /** Name of the volume that the base becomes. */
  async function uploadedBase(virsh: FakeVirsh, source: DiskFile): Promise<string> {
    const alone = await inspectChain(on({ path: source.path, format: 'raw' }), signal);
    const path = await uploadChain(
      { ...alone, virsh, registrar: registrar(), name: 'other', isKept: true, scope: context.scope },
      context,
    );
    expect(path).toMatch(/\/kib-base-[\da-f]{64}\.qcow2$/);
    const copy = join(dir, 'copy.img');
    await convert({ source: { path, format: 'qcow2' }, target: copy, targetFormat: 'raw', signal });
    expect((await readFile(copy)).equals(await readFile(source.path))).toBe(true);
    return path.slice(path.lastIndexOf('/') + 1);
  }
});
