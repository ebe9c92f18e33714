import { mkdtemp, open, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BaseImage } from '../../src/core/index.ts';
import { bootstrapBase } from '../../src/engine/base/bootstrap.ts';
import { run } from '../../src/io/process.ts';
import { type TestContext, testContext } from '../support/test-context.ts';

const BUILD_MS = 600_000;
const source = { kind: 'bootstrap', suite: 'trixie', packages: [] } as const;
const SECTOR = 512;
const { signal } = new AbortController();
let dir = '';
let raw = '';
let first: TestContext;
let base: BaseImage;

async function toRaw(image: BaseImage, name: string): Promise<string> {
  const path = join(dir, name);
  await run('qemu-img', ['convert', '-f', 'qcow2', '-O', 'raw', image.path, path], { signal });
  return path;
}

async function debugfs(request: string): Promise<string> {
  const { stdout } = await run('debugfs', ['-R', request, `${raw}?offset=${262_144 * SECTOR}`], { signal });
  return stdout;
}

// Assembles a whole Debian from its archive: a minute or two each time, and some 200 MB of packages.
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kib-bootstrap-'));
  first = await testContext();
  base = await bootstrapBase(source, 'amd64', first);
  raw = await toRaw(base, 'first.raw');
}, BUILD_MS);

afterAll(async () => {
  await first[Symbol.asyncDispose]();
  await rm(dir, { recursive: true, force: true });
});

describe('a base assembled from packages', () => {
  it('is a sound qcow2 image and says what it is', async () => {
    await run('qemu-img', ['check', '-f', 'qcow2', base.path], { signal });
    expect(base).toMatchObject({ source, format: 'qcow2', sha256: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect(base.facts).toMatchObject({ suite: 'trixie', kernel: expect.stringMatching(/cloud-amd64$/) });
    expect(first.journal.held).toEqual([]);
    expect(await readdir(first.dirs.work)).toEqual([]);
  });

  it('is partitioned like the official images', async () => {
    const { stdout } = await run('sfdisk', ['-d', raw], { signal });
    expect(stdout).toMatch(/raw1 : start= +262144, .*type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709/);
    expect(stdout).toMatch(/raw14 : start= +2048, size= +6144, type=21686148-6449-6E6F-744E-656564454649/);
    expect(stdout).toMatch(/raw15 : start= +8192, size= +253952, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B/);
    await run('sfdisk', ['--verify', raw], { signal });
  });

  it('has a clean root that e2fsck finds nothing wrong with', async () => {
    await run('e2fsck', ['-f', '-n', `${raw}?offset=${262_144 * SECTOR}`], { signal });
    expect(await debugfs('stat /usr/bin/sudo')).toMatch(/Mode: +04755/);
    expect(await debugfs('stat /etc/shadow')).toMatch(/Mode: +0640[\s\S]*User: +0 +Group: +42/);
  });

  it('ships no identity, no package lists and no keys', async () => {
    expect(await debugfs('cat /etc/machine-id')).toBe('');
    expect(await debugfs('ls /etc/ssh')).not.toContain('ssh_host_');
    expect(await debugfs('ls /var/lib/apt/lists')).not.toContain('dists');
    expect(await debugfs('ls /')).not.toContain('.assembly');
    expect(await debugfs('ls /etc/apt/sources.list.d')).toContain('debian.sources');
  });

  it('has a loader for UEFI, signed for Secure Boot, and one for BIOS', async () => {
    const { stdout } = await run('mdir', ['-/', '-b', '-i', `${raw}@@${8192 * SECTOR}`, '::'], { signal });
    expect(stdout.split('\n')).toEqual(
      expect.arrayContaining(['::/EFI/BOOT/BOOTX64.EFI', '::/EFI/BOOT/grubx64.efi', '::/EFI/debian/grub.cfg']),
    );
    const disk = await open(raw);
    const { buffer } = await disk.read(Buffer.alloc(SECTOR), 0, SECTOR, 0);
    await disk.close();
    expect(buffer.subarray(0, 440).includes('GRUB ')).toBe(true);
    expect(buffer.readBigUInt64LE(0x5c)).toBe(2048n);
    expect(buffer.subarray(510)).toEqual(Buffer.from([0x55, 0xaa]));
  });

  it('is taken from the cache the next time', async () => {
    await using again = await testContext({ cache: first.dirs.cache });
    expect(await bootstrapBase(source, 'amd64', again)).toEqual(base);
  });

  it(
    'has the same bytes when it is assembled again',
    async () => {
      await using second = await testContext();
      const again = await bootstrapBase(source, 'amd64', second);
      // The archive may have moved on meanwhile; then they are other packages.
      const isMoved = again.facts['packagesSha256'] !== base.facts['packagesSha256'];
      expect([base.sha256, isMoved && again.sha256]).toContain(again.sha256);
    },
    BUILD_MS,
  );
});

describe('an aborted assembly', () => {
  it('leaves nothing', { timeout: 120_000 }, async () => {
    await using context = await testContext();
    const building = bootstrapBase(source, 'amd64', context);
    building.catch(() => {});
    await expect.poll(() => context.events.some((event) => event.type === 'log'), { timeout: 60_000 }).toBe(true);
    await context.clock.sleep(3000);
    context.abort();
    await expect(building).rejects.toMatchObject({ code: 'KIB_CANCELLED' });
    expect(context.journal.held).toEqual([]);
    expect(await readdir(context.dirs.work)).toEqual([]);
    expect(await readdir(join(context.dirs.cache, 'bases'))).toEqual([]);
  });
});
