import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readDiskHeader } from '../../../src/io/disk-header.ts';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kib-header-'));
});
afterAll(async () => {
  await rm(dir, { recursive: true, force: true });
});

async function headerOf(bytes: Buffer | string) {
  const path = join(dir, 'image');
  await writeFile(path, bytes);
  return readDiskHeader(path);
}

function qcow2(options: { version?: number; backing?: string; features?: bigint } = {}): Buffer {
  const header = Buffer.alloc(1024);
  header.write('QFI\xfb', 'latin1');
  header.writeUInt32BE(options.version ?? 3, 4);
  if (options.backing !== undefined) {
    header.writeBigUInt64BE(512n, 8);
    header.writeUInt32BE(options.backing.length, 16);
    header.write(options.backing, 512);
  }
  header.writeBigUInt64BE(options.features ?? 0n, 72);
  return header;
}

function vmdk(descriptor: string, capacity: bigint): Buffer {
  const image = Buffer.alloc(2048);
  image.write('KDMV', 'latin1');
  image.writeBigUInt64LE(capacity, 12);
  image.writeBigUInt64LE(1n, 28);
  image.write(descriptor, 512);
  return image;
}

describe('readDiskHeader', () => {
  it('knows a qcow2 image that stands alone', async () => {
    expect(await headerOf(qcow2())).toEqual({ format: 'qcow2', refersTo: [] });
  });

  it('finds a backing file and an external data file', async () => {
    expect((await headerOf(qcow2({ version: 2, backing: '/etc/shadow' }))).refersTo).toEqual(['/etc/shadow']);
    expect((await headerOf(qcow2({ features: 4n }))).refersTo).toEqual(['an external data file']);
  });

  it('does not take the bytes of a version 2 header for features', async () => {
    expect((await headerOf(qcow2({ version: 2, features: 4n }))).refersTo).toEqual([]);
  });

  it('finds a backing name that lies outside of what it read', async () => {
    const header = qcow2();
    header.writeBigUInt64BE(2n ** 40n, 8);
    header.writeUInt32BE(10, 16);
    expect((await headerOf(header)).refersTo).toEqual(['another file']);
  });

  it('knows a VMDK that stands alone, and the extent in it that is itself', async () => {
    expect(await headerOf(vmdk('RW 4 SPARSE "disk.vmdk"\n', 4n))).toEqual({ format: 'vmdk', refersTo: [] });
  });

  it('finds what a VMDK descriptor refers to', async () => {
    expect((await headerOf(vmdk('RW 4 SPARSE "disk.vmdk"\nparentFileNameHint="p.vmdk"\n', 4n))).refersTo).toEqual(['p.vmdk']);
    expect((await headerOf(vmdk('RW 4 FLAT "/dev/sda" 0\n', 0n))).refersTo).toEqual(['/dev/sda']);
    const plain = '# Disk DescriptorFile\nversion=1\nRW 4192256 FLAT "disk-flat.vmdk" 0\n';
    expect(await headerOf(plain)).toEqual({ format: 'vmdk', refersTo: ['disk-flat.vmdk'] });
  });

  it('takes everything else for raw, the empty file too', async () => {
    expect(await headerOf('')).toEqual({ format: 'raw', refersTo: [] });
    expect(await headerOf(Buffer.alloc(100_000, 'x'))).toEqual({ format: 'raw', refersTo: [] });
  });
});
