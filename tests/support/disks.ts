import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MiB } from '../../src/core/index.ts';
import { run } from '../../src/io/process.ts';

const signal = new AbortController().signal;

/** What a test guest's tree holds: text of a file, or a link's target. A path that ends in `/` is an empty folder. */
export type Tree = Readonly<Record<string, string | { readonly link: string }>>;

interface Folder {
  readonly folders: Map<string, Folder>;
  readonly files: Map<string, string | { readonly link: string }>;
}

/** Makes an ext4 image of a tree with mke2fs; `options` are more of its arguments. */
export async function makeExt4(path: string, tree: Tree, dir: string, options: readonly string[] = []): Promise<void> {
  // As root debugfs writes the tree into the image, so that the host's own file system need not hold it.
  await run('mke2fs', ['-q', '-F', '-t', 'ext4', '-L', 'root', ...options, path, '64M'], { signal });
  const commands: string[] = [];
  let count = 0;
  const write = async (folder: Folder): Promise<void> => {
    for (const [name, content] of folder.files) {
      if (typeof content === 'object') {
        commands.push(`symlink "${name}" "${content.link}"`);
        continue;
      }
      const host = join(dir, `${path.split('/').at(-1)}-${count++}`);
      await writeFile(host, content);
      commands.push(`write "${host}" "${name}"`);
    }
    for (const [name, below] of folder.folders) {
      commands.push(`mkdir "${name}"`, `cd "${name}"`);
      await write(below);
      commands.push('cd ..');
    }
  };
  await write(folders(tree));
  const script = join(dir, 'debugfs.txt');
  await writeFile(script, `${commands.join('\n')}\n`);
  await run('debugfs', ['-w', '-f', script, path], { signal });
}

/** Makes an XFS image of a tree with mkfs.xfs and a prototype file (mkfs.xfs(8) -p); `options` are more of its arguments. */
export async function makeXfs(path: string, tree: Tree, dir: string, options: readonly string[] = []): Promise<void> {
  let count = 0;
  const lines = async (folder: Folder): Promise<string[]> => {
    const out: string[] = [];
    for (const [name, content] of folder.files) {
      if (typeof content === 'object') {
        out.push(`${name} l--777 0 0 ${content.link}`);
        continue;
      }
      const host = join(dir, `${path.split('/').at(-1)}-${count++}`);
      await writeFile(host, content);
      out.push(`${name} ---644 0 0 ${host}`);
    }
    for (const [name, below] of folder.folders) out.push(`${name} d--755 0 0`, ...(await lines(below)), '$');
    return out;
  };
  const prototype = join(dir, 'prototype.txt');
  await writeFile(prototype, ['boot', '0 0', 'd--755 0 0', ...(await lines(folders(tree))), '$', ''].join('\n'));
  await (await open(path, 'w')).close();
  await run('mkfs.xfs', ['-q', '-f', '-L', 'root', '-d', `size=320m,name=${path},file=1`, '-p', prototype, ...options], {
    signal,
  });
}

/** A GPT disk with one file system image after the other, from 1 MiB on. */
export async function makeDisk(path: string, images: readonly string[]): Promise<void> {
  const sizes: number[] = [];
  for (const image of images) {
    const handle = await open(image);
    sizes.push((await handle.stat()).size);
    await handle.close();
  }
  const starts = sizes.map((_, index) => MiB + sizes.slice(0, index).reduce((sum, size) => sum + size, 0));
  const handle = await open(path, 'w');
  await handle.truncate(2 * MiB + sizes.reduce((sum, size) => sum + size, 0));
  await handle.close();
  const table = starts.map(
    (start, index) => `start=${start / 512}, size=${(sizes[index] ?? 0) / 512}, type=linux, name=p${index + 1}`,
  );
  await run('sfdisk', ['-q', path], { signal, input: `label: gpt\n${table.join('\n')}\n` });
  for (const [index, image] of images.entries()) {
    const seek = (starts[index] ?? 0) / MiB;
    await run('dd', [`if=${image}`, `of=${path}`, 'bs=1M', `seek=${seek}`, 'conv=notrunc,sparse', 'status=none'], { signal });
  }
}

function folders(tree: Tree): Folder {
  const root: Folder = { folders: new Map(), files: new Map() };
  for (const [path, content] of Object.entries(tree)) {
    const names = path.split('/').slice(1);
    const name = names.pop() ?? '';
    let folder = root;
    for (const part of names) {
      const next = folder.folders.get(part) ?? { folders: new Map(), files: new Map() };
      folder.folders.set(part, next);
      folder = next;
    }
    if (name !== '') folder.files.set(name, content);
  }
  return root;
}
