import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MiB, sha256 } from '../../src/core/index.ts';
import { run } from '../../src/io/process.ts';
import { makeDisk, makeExt4, type Tree } from '../support/disks.ts';
import { diffTrees, readImage, readImageTree } from '../support/image-tree.ts';

const signal = new AbortController().signal;
const BIG = 'big '.repeat(5 * MiB);

const TREE: Tree = {
  '/etc/os-release': { link: '../usr/lib/os-release' },
  '/usr/lib/os-release': 'ID=test\n',
  '/etc/fstab': 'LABEL=root / ext4 defaults 0 1\n',
  '/etc/same': 'same',
  '/etc/empty.d/': '',
};

describe('the tree of an image', () => {
  let dir = '';

  async function image(name: string, tree: Tree, commands: readonly string[] = []): Promise<string> {
    const root = join(dir, `${name}.ext4`);
    await makeExt4(root, tree, dir);
    const script = join(dir, `${name}.txt`);
    await writeFile(script, `${commands.join('\n')}\n`);
    await run('debugfs', ['-w', '-f', script, root], { signal });
    const disk = join(dir, `${name}.raw`);
    await makeDisk(disk, [root]);
    return disk;
  }

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'kib-tree-test-'));
  });
  afterAll(() => rm(dir, { recursive: true, force: true }));

  it('holds types, modes, owners, digests and targets, the same from every format', async () => {
    const raw = await image('a', { ...TREE, '/usr/big': BIG }, [
      'set_inode_field /etc/same mode 0104750',
      'set_inode_field /etc/same uid 1000',
      'set_inode_field /etc/same gid 42',
    ]);
    const tree = await readImageTree(raw, 'raw', signal);
    expect(tree.get('/')).toMatchObject({ type: 'directory', mode: '0755' });
    expect(tree.get('/etc/same')).toEqual({ type: 'file', mode: '4750', uid: 1000, gid: 42, size: 4, sha256: sha256('same') });
    expect(tree.get('/etc/os-release')).toMatchObject({ type: 'symlink', target: '../usr/lib/os-release' });
    expect(tree.get('/etc/empty.d')?.type).toBe('directory');
    expect(tree.get('/usr/big')).toMatchObject({ size: BIG.length, sha256: sha256(BIG) });
    const qcow2 = join(dir, 'a.qcow2');
    await run('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', raw, qcow2], { signal });
    expect(await readImageTree(qcow2, 'qcow2', signal)).toEqual(tree);
  });

  it('reads the text of wanted files', async () => {
    const { texts } = await readImage(await image('t', TREE), 'raw', (path) => /release|none|empty/.test(path), signal);
    expect([...texts]).toEqual([['/usr/lib/os-release', 'ID=test\n']]);
  });

  it('refuses a file system that was not unmounted', async () => {
    const dirty = await image('dirty', TREE, ['feature needs_recovery']);
    await expect(readImageTree(dirty, 'raw', signal)).rejects.toThrow('its journal holds changes');
  });

  it('names every difference', async () => {
    const a = await readImageTree(await image('l', { ...TREE, '/etc/a': '', '/etc/link': { link: 'same' } }), 'raw', signal);
    const changed = {
      ...TREE,
      '/etc/b/c': '',
      '/etc/link': { link: 'other' },
      '/etc/same': 'emas',
      '/usr/lib/os-release': 'ID=x\n',
    };
    const b = await readImageTree(await image('r', changed, ['set_inode_field /etc/fstab mode 0100600']), 'raw', signal);
    expect(diffTrees(a, a)).toEqual([]);
    expect(diffTrees(a, b)).toEqual([
      { path: '/etc/a', kind: 'only-in-a', detail: '' },
      { path: '/etc/b', kind: 'only-in-b', detail: '' },
      { path: '/etc/b/c', kind: 'only-in-b', detail: '' },
      { path: '/etc/fstab', kind: 'differs', detail: 'mode 0644 → 0600' },
      { path: '/etc/link', kind: 'differs', detail: 'target same → other' },
      { path: '/etc/same', kind: 'differs', detail: 'content' },
      { path: '/usr/lib/os-release', kind: 'differs', detail: 'content (8 → 5 bytes)' },
    ]);
  });
});
