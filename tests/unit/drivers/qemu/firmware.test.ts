import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findUefi, readDescriptors } from '../../../../drivers/qemu/firmware.ts';

describe('UEFI firmware descriptors', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'kib-firmware-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  const place = (path: string, text = ''): string => {
    const full = join(dir, path);
    mkdirSync(join(full, '..'), { recursive: true });
    writeFileSync(full, text);
    return full;
  };

  interface Wish {
    readonly code: string;
    readonly features?: readonly string[];
    readonly machines?: readonly string[];
    readonly architecture?: string;
    readonly mapping?: object;
  }

  const descriptor = (path: string, wish: Wish): string =>
    place(
      path,
      JSON.stringify({
        description: 'made for a test',
        'interface-types': ['uefi'],
        mapping: wish.mapping ?? {
          device: 'flash',
          executable: { filename: place(`${wish.code}.code`), format: 'raw' },
          'nvram-template': { filename: place(`${wish.code}.vars`), format: 'raw' },
        },
        targets: [{ architecture: wish.architecture ?? 'x86_64', machines: wish.machines ?? ['pc-q35-*'] }],
        features: wish.features ?? [],
        tags: [],
      }),
    );

  const find = async (folders: readonly string[] = ['share']) =>
    findUefi(await readDescriptors(folders.map((folder) => join(dir, folder))), 'amd64', 'pc-q35-7.2');
  const chosen = async (folders?: readonly string[]) => {
    const found = await find(folders);
    return found.kind === 'flash' ? found.code.path.slice(dir.length + 1) : found.path.slice(dir.length + 1);
  };

  it('takes the first by file name that has no Secure Boot', async () => {
    descriptor('share/40-enrolled.json', { code: 'a', features: ['secure-boot', 'enrolled-keys', 'requires-smm'] });
    descriptor('share/50-smm.json', { code: 'b', features: ['requires-smm'] });
    descriptor('share/70-later.json', { code: 'c' });
    descriptor('share/60-plain.json', { code: 'd', features: ['acpi-s3', 'verbose-dynamic'] });
    expect(await chosen()).toBe('d.code');
  });

  it('lets a weightier folder replace or hide a namesake', async () => {
    descriptor('share/60.json', { code: 'distribution' });
    descriptor('share/70.json', { code: 'second' });
    descriptor('etc/60.json', { code: 'admin' });
    expect(await chosen(['etc', 'share'])).toBe('admin.code');
    place('etc/60.json', '');
    expect(await chosen(['etc', 'share'])).toBe('second.code');
    expect(await chosen(['absent', 'share'])).toBe('distribution.code');
  });

  it('matches machine types by glob, dots taken as dots', async () => {
    descriptor('share/10.json', { code: 'i440fx', machines: ['pc-i440fx-*'] });
    descriptor('share/20.json', { code: 'dot', machines: ['pc-q35-7x2'] });
    descriptor('share/30.json', { code: 'arm', architecture: 'aarch64', machines: ['virt-*'] });
    await expect(find()).rejects.toMatchObject({ code: 'KIB_FIRMWARE_MISSING' });
    descriptor('share/40.json', { code: 'right', machines: ['pc-i440fx-*', 'pc-q35-7.2'] });
    expect(await chosen()).toBe('right.code');
  });

  it('passes over what is not there, not JSON, or of another shape', async () => {
    descriptor('share/10.json', { code: 'gone' });
    rmSync(join(dir, 'gone.vars'));
    place('share/20.json', 'not json');
    descriptor('share/30.json', {
      code: 'x',
      mapping: { device: 'flash', mode: 'stateless', executable: { filename: '/x', format: 'raw' } },
    });
    descriptor('share/40.json', { code: 'kernel', mapping: { device: 'kernel', filename: '/x' } });
    place('share/README', 'no descriptor');
    descriptor('share/50.json', { code: 'memory', mapping: { device: 'memory', filename: place('memory.fd') } });
    expect(await find()).toEqual({ kind: 'memory', path: join(dir, 'memory.fd') });
  });

  it('names the package when nothing fits', async () => {
    await expect(find()).rejects.toMatchObject({ hint: expect.stringContaining('ovmf') as unknown });
  });
});
