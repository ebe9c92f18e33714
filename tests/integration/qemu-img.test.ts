import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MiB } from '../../src/core/index.ts';
import { run } from '../../src/io/process.ts';
import { check, compare, convert, create, type DiskFile, info, rebase } from '../../src/io/qemu-img.ts';

const { signal } = new AbortController();

describe('qemu-img', () => {
  let dir: string;
  let base: DiskFile;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'kib-qemu-img-'));
    // Not all zeroes, not compressible to nothing, and with a hole.
    const bytes = Buffer.alloc(4 * MiB);
    for (let at = 0; at < MiB; at += 4) bytes.writeUInt32LE((at * 2654435761) >>> 0, at);
    base = { path: join(dir, 'base,1.img'), format: 'raw' };
    await writeFile(base.path, bytes);
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  it('makes an overlay that is larger than its base and leaves the base alone', async () => {
    const overlay: DiskFile = { path: join(dir, 'overlay.qcow2'), format: 'qcow2' };
    const before = await readFile(base.path);
    await create({ path: overlay.path, format: 'qcow2', bytes: 10 * MiB, backing: base }, signal);
    expect(await info(overlay, signal)).toMatchObject({
      format: 'qcow2',
      virtualBytes: 10 * MiB,
      backing: base.path,
      compression: 'zlib',
    });
    expect(await compare(overlay, base, signal)).toMatchObject({ identical: true });
    expect((await readFile(base.path)).equals(before)).toBe(true);
  });

  it('converts with compression and progress, and the copy holds the same bytes', async () => {
    const progress: number[] = [];
    const target: DiskFile = { path: join(dir, 'copy.qcow2'), format: 'qcow2' };
    const options = { compression_type: 'zstd' };
    const request = { source: base, target: target.path, targetFormat: 'qcow2', options, compress: true, signal } as const;
    await convert({ ...request, onProgress: (percent) => progress.push(percent) });
    expect(await info(target, signal)).toMatchObject({ compression: 'zstd', backing: undefined });
    expect(await compare(base, target, signal)).toMatchObject({ identical: true });
    expect(await check(target, signal)).toEqual({ ok: true, detail: '' });
    expect(progress.length).toBeGreaterThan(2);
    expect(progress).toEqual(progress.toSorted((a, b) => a - b));
    expect(progress.at(-1)).toBe(100);
  });

  it('reads a VMDK where it lies in another file', async () => {
    const vmdk = join(dir, 'disk.vmdk');
    const options = { subformat: 'streamOptimized' };
    await convert({ source: base, target: vmdk, targetFormat: 'vmdk', options, signal });
    const bytes = await readFile(vmdk);
    const wrapped = join(dir, 'disk.ova');
    await writeFile(wrapped, Buffer.concat([Buffer.alloc(1536, 'x'), bytes, Buffer.alloc(10_240)]));
    const inside: DiskFile = { path: wrapped, format: 'vmdk', offset: 1536, bytes: bytes.length };
    expect(await info(inside, signal)).toMatchObject({ virtualBytes: 4 * MiB, vmdkType: 'streamOptimized' });
    expect(await compare(inside, base, signal)).toMatchObject({ identical: true });
    const overlay: DiskFile = { path: join(dir, 'overlay.qcow2'), format: 'qcow2' };
    await create({ path: overlay.path, format: 'qcow2', backing: inside }, signal);
    expect(await compare(overlay, base, signal)).toMatchObject({ identical: true });
  });

  it('copies of a chain only what the last one has, and puts that on another base that holds the same', async () => {
    const [lower, delta] = [join(dir, 'lower.vmdk'), join(dir, 'delta.vmdk')];
    await convert({ source: base, target: lower, targetFormat: 'vmdk', signal });
    await create({ path: delta, format: 'vmdk', backing: { path: 'lower.vmdk', format: 'vmdk' } }, signal);
    // Bytes of its own, and zeroes where the base has none.
    await run(
      'qemu-io',
      ['-f', 'vmdk', '-c', 'write -P 7 2M 64k', '-c', 'write -z 64k 64k', '-c', 'write -P 0 256k 64k', delta],
      { signal },
    );
    const overlay: DiskFile = { path: join(dir, 'layer.qcow2'), format: 'qcow2' };
    const source: DiskFile = { path: delta, format: 'vmdk' };
    const backing: DiskFile = { path: lower, format: 'vmdk' };
    await convert({ source, backing, target: overlay.path, targetFormat: 'qcow2', signal });
    await rebase(overlay, { path: 'base,1.img', format: 'raw' }, signal);
    await rm(lower);
    expect((await info(overlay, signal)).backing).toBe('base,1.img');
    // The base has a MiB of data.
    expect((await stat(overlay.path)).size).toBeLessThan(MiB);
    const flat = join(dir, 'flat.img');
    await convert({ source: overlay, target: flat, targetFormat: 'raw', signal });
    const wanted = await readFile(base.path);
    wanted
      .fill(7, 2 * MiB, 2 * MiB + 65_536)
      .fill(0, 65_536, 131_072)
      .fill(0, 262_144, 327_680);
    expect((await readFile(flat)).equals(wanted)).toBe(true);
  });

  it('tells two disks apart and says where', async () => {
    const other = await readFile(base.path);
    other[MiB - 1] = (other[MiB - 1] ?? 0) ^ 1;
    await writeFile(join(dir, 'other.img'), other);
    const result = await compare(base, { path: join(dir, 'other.img'), format: 'raw' }, signal);
    expect(result).toEqual({ identical: false, detail: expect.stringMatching(/mismatch at offset/) as string });
  });

  it('finds a broken qcow2', async () => {
    const path = join(dir, 'broken.qcow2');
    await convert({ source: base, target: path, targetFormat: 'qcow2', signal });
    const bytes = await readFile(path);
    // The first refcount block, whose place the refcount table names (docs/interop/qcow2).
    const table = Number(bytes.readBigUInt64BE(48));
    bytes.fill(0, Number(bytes.readBigUInt64BE(table)), Number(bytes.readBigUInt64BE(table)) + 64);
    await writeFile(path, bytes);
    const report = await check({ path, format: 'qcow2' }, signal);
    expect(report.ok).toBe(false);
    expect(report.detail).toMatch(/ERROR/);
  });

  it('refuses a file that is not of the format, and stops when aborted', async () => {
    await expect(info({ ...base, format: 'qcow2' }, signal)).rejects.toThrow(/not in qcow2 format/);
    const abort = new AbortController();
    const target = join(dir, 'aborted.qcow2');
    const converting = convert({ source: base, target, targetFormat: 'qcow2', signal: abort.signal });
    abort.abort(new Error('enough'));
    await expect(converting).rejects.toMatchObject({ code: 'KIB_CANCELLED' });
  });

  it('takes names that QEMU would read as options or protocols', async () => {
    const cwd = process.cwd();
    process.chdir(dir);
    try {
      await convert({ source: base, target: 'nbd:odd.img', targetFormat: 'raw', signal });
      await convert({ source: { path: 'nbd:odd.img', format: 'raw' }, target: '-odd.img', targetFormat: 'raw', signal });
      expect((await stat('-odd.img')).size).toBe(4 * MiB);
    } finally {
      process.chdir(cwd);
    }
  });
});
