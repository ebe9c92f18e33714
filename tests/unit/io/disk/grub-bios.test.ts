import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { installBiosBoot, patchBootImage, patchCoreImage } from '../../../../src/io/disk/grub-bios.ts';

const boot = Buffer.alloc(512, 0xaa);
const core = Buffer.alloc(512 * 60 + 17, 0xbb);

describe('patchBootImage', () => {
  it('points to core.img and leaves out the partition table', () => {
    const code = patchBootImage(boot, 2048);
    expect(code).toHaveLength(440);
    expect(code.readBigUInt64LE(0x5c)).toBe(2048n);
    expect(code.subarray(0x66, 0x68)).toEqual(Buffer.from([0x90, 0x90]));
    expect(code.subarray(0, 0x5c).every((byte) => byte === 0xaa)).toBe(true);
    expect(code.subarray(0x68).every((byte) => byte === 0xaa)).toBe(true);
  });

  it('keeps its input', () => {
    patchBootImage(boot, 2048);
    expect(boot.every((byte) => byte === 0xaa)).toBe(true);
  });

  it('refuses what is no boot sector', () => {
    expect(() => patchBootImage(Buffer.alloc(511), 2048)).toThrow('511 bytes instead of 512');
  });
});

describe('patchCoreImage', () => {
  it('lists the sectors behind the first one', () => {
    const patched = patchCoreImage(core, 2048);
    expect(patched).toHaveLength(512 * 61);
    expect(patched.readBigUInt64LE(0x1f4)).toBe(2049n);
    expect(patched.readUInt16LE(0x1fc)).toBe(60);
    expect(patched.readUInt16LE(0x1fe)).toBe(0x820);
    expect(patched.subarray(512, core.length).every((byte) => byte === 0xbb)).toBe(true);
    expect(patched.subarray(core.length).every((byte) => byte === 0)).toBe(true);
  });

  it('refuses an image without a second sector', () => {
    expect(() => patchCoreImage(Buffer.alloc(512), 2048)).toThrow(RangeError);
  });
});

describe('installBiosBoot', () => {
  let dir = '';
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'kib-grub-'));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  it('writes both images and spares the partition table', async () => {
    const image = join(dir, 'disk.raw');
    await writeFile(image, Buffer.alloc(512 * 200, 0x11));
    await installBiosBoot(image, { bootImage: boot, coreImage: core, firstSector: 100, sectors: 64 });
    const disk = await readFile(image);
    expect(disk.subarray(0, 440)).toEqual(patchBootImage(boot, 100));
    expect(disk.subarray(440, 512 * 100).every((byte) => byte === 0x11)).toBe(true);
    expect(disk.subarray(512 * 100, 512 * 161)).toEqual(patchCoreImage(core, 100));
    expect(disk.subarray(512 * 161).every((byte) => byte === 0x11)).toBe(true);
  });

  it('does not write over the next partition', async () => {
    const install = installBiosBoot(join(dir, 'none'), { bootImage: boot, coreImage: core, firstSector: 100, sectors: 60 });
    await expect(install).rejects.toThrow('does not fit');
  });
});
