import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { imageIds } from '../../../../src/engine/base/base-key.ts';
import {
  finishTree,
  installedPackages,
  newestKernel,
  treeBytes,
  treeText,
  usedReleases,
} from '../../../../src/engine/base/image-tree.ts';
import type { Tree } from '../../../../src/io/disk/tree.ts';

const own = { uid: 0, gid: 0, mtime: 12, mode: 0o644 };
let dir = '';
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kib-tree-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

async function treeOf(files: Readonly<Record<string, string>>): Promise<Tree> {
  const tree: Tree = new Map();
  for (const [index, [path, text]] of Object.entries(files).entries()) {
    await writeFile(join(dir, `in-${index}`), text);
    tree.set(path, { ...own, kind: 'file', source: join(dir, `in-${index}`) });
  }
  return tree;
}

const finish = (tree: Tree) =>
  finishTree(tree, { arch: 'amd64', ids: imageIds('key'), sources: 'Types: deb\n', epoch: 99, scratch: join(dir, 'own') });

describe('finishTree', () => {
  it('takes out what is of the assembly or must differ between machines', async () => {
    const gone = {
      '/.assembly/core.img': '',
      '/etc/dpkg/dpkg.cfg.d/assembly': '',
      '/etc/apt/sources.list': '',
      '/etc/apt/sources.list.d/0000debian.sources': '',
      '/etc/ssh/ssh_host_ed25519_key': '',
      '/etc/ssh/ssh_host_ed25519_key.pub': '',
      '/var/log/dpkg.log': '',
      '/etc/systemd/system/timers.target.wants/apt-daily.timer': '',
    };
    const tree = await treeOf({ '/boot/vmlinuz-6.12': '', '/etc/ssh/sshd_config': '', ...gone });
    await finish(tree);
    for (const path of Object.keys(gone)) expect(tree.has(path), path).toBe(false);
    expect(tree.has('/etc/ssh/sshd_config')).toBe(true);
  });

  it('adds our files with their folders', async () => {
    const tree = await treeOf({ '/boot/vmlinuz-6.12': '' });
    await finish(tree);
    expect(await treeText(tree, '/etc/apt/sources.list.d/debian.sources')).toBe('Types: deb\n');
    expect(tree.get('/etc/apt/sources.list.d')).toMatchObject({ kind: 'directory', mode: 0o755, mtime: 99 });
    expect(tree.get('/etc/machine-id')).toMatchObject({ kind: 'file', mode: 0o444, uid: 0, mtime: 99 });
    expect(await treeText(tree, '/boot/grub/grub.cfg')).toContain('vmlinuz-6.12');
    expect(tree.get('/etc/resolv.conf')).toMatchObject({ kind: 'symlink' });
    expect(tree.get('/dev')).toMatchObject({ kind: 'directory' });
    expect(tree.get('/boot/efi')).toMatchObject({ kind: 'directory', mode: 0o700 });
  });

  it('puts GRUB’s modules where GRUB looks', async () => {
    const tree = await treeOf({
      '/boot/vmlinuz-6.12': '',
      '/usr/lib/grub/i386-pc/normal.mod': 'bios',
      '/usr/lib/grub/x86_64-efi/normal.mod': 'efi',
      '/usr/lib/grub/i386-pc/boot.img': 'not a module',
    });
    await finish(tree);
    expect(await treeText(tree, '/boot/grub/i386-pc/normal.mod')).toBe('bios');
    expect(await treeText(tree, '/boot/grub/x86_64-efi/normal.mod')).toBe('efi');
    expect(tree.has('/boot/grub/i386-pc/boot.img')).toBe(false);
  });

  it('fails without a kernel', async () => {
    await expect(finish(await treeOf({ '/etc/passwd': '' }))).rejects.toThrow('no kernel');
  });
});

describe('what a tree tells', () => {
  it('the kernel', async () => {
    expect(newestKernel(await treeOf({ '/boot/vmlinuz-6.12.1-cloud': '', '/boot/initrd.img-6.12.1-cloud': '' }))).toBe(
      '6.12.1-cloud',
    );
  });

  it('the installed packages', async () => {
    const status = [
      'Package: zlib1g\nStatus: install ok installed\nVersion: 1:1.3',
      'Package: gone\nStatus: deinstall ok config-files\nVersion: 1',
      'Package: bash\nEssential: yes\nStatus: install ok installed\nVersion: 5.2',
      '',
    ].join('\n\n');
    expect(await installedPackages(await treeOf({ '/var/lib/dpkg/status': status }))).toEqual(['bash 5.2', 'zlib1g 1:1.3']);
  });

  it('the Release files that apt used', async () => {
    const tree = await treeOf({ '/.assembly/x_dists_trixie_InRelease': 'one', '/.assembly/core.img': 'two' });
    expect(await usedReleases(tree)).toEqual(['one']);
  });

  it('how much it takes, in whole blocks', async () => {
    expect(await treeBytes(await treeOf({ '/a': 'x'.repeat(5000), '/b': '' }))).toBe(8192);
  });

  it('text through a second name, and which file is missing', async () => {
    const tree = await treeOf({ '/a': 'text' });
    tree.set('/b', { ...own, kind: 'hardlink', target: '/a' });
    expect(await treeText(tree, '/b')).toBe('text');
    await expect(treeText(tree, '/c')).rejects.toThrow('no file /c');
    expect(await readFile(join(dir, 'in-0'), 'utf8')).toBe('text');
  });
});
