import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Arch } from '../../core/index.ts';
import type { Tree, TreeEntry } from '../../io/disk/tree.ts';
import { ARCHS, disabledUnitLinks, type ImageIds, imageFiles } from './debian-image.ts';
import { ASSEMBLY, ASSEMBLY_FILES } from './mmdebstrap.ts';

export interface TreeRequest {
  readonly arch: Arch;
  readonly ids: ImageIds;
  readonly sources: string;
  readonly epoch: number;
  /** Folder for the content of our files. */
  readonly scratch: string;
}

/** Text of a file in a tree. Throws when there is none. */
export async function treeText(tree: Tree, path: string): Promise<string> {
  return readFile(treeSource(tree, path), 'utf8');
}

/** Host file with the content of a file in a tree. Throws when there is none. */
export function treeSource(tree: Tree, path: string): string {
  const entry = tree.get(path);
  if (entry?.kind === 'file') return entry.source;
  if (entry?.kind === 'hardlink') return treeSource(tree, entry.target);
  throw new Error(`the assembled system has no file ${path}`);
}

/** Release files that apt verified and used. */
export async function usedReleases(tree: Tree): Promise<readonly string[]> {
  const paths = [...tree.keys()].filter((path) => path.startsWith(`${ASSEMBLY}/`) && path.endsWith('Release'));
  return Promise.all(paths.map((path) => treeText(tree, path)));
}

/** `name version` of every installed package, sorted. */
export async function installedPackages(tree: Tree): Promise<readonly string[]> {
  const paragraphs = (await treeText(tree, '/var/lib/dpkg/status')).split('\n\n');
  const installed = paragraphs.filter((paragraph) => /^Status: \S+ ok installed$/m.test(paragraph));
  const field = (paragraph: string, name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(paragraph)?.[1] ?? '';
  return installed.map((paragraph) => `${field(paragraph, 'Package')} ${field(paragraph, 'Version')}`).sort();
}

/** What the files take on a file system with blocks of 4 KiB. */
export async function treeBytes(tree: Tree): Promise<number> {
  let bytes = 0;
  for (const entry of tree.values())
    bytes += entry.kind === 'file' ? Math.ceil((await stat(entry.source)).size / 4096) * 4096 : 4096;
  return bytes;
}

/** Turns what mmdebstrap made into what the image holds. */
export async function finishTree(tree: Tree, request: TreeRequest): Promise<void> {
  const { epoch, arch } = request;
  const own = { uid: 0, gid: 0, mtime: epoch };
  const folder: TreeEntry = { ...own, kind: 'directory', mode: 0o755 };
  remove(tree, [ASSEMBLY, ...ASSEMBLY_FILES, ...disabledUnitLinks()]);
  // Made at the first boot; equal keys in every machine would be no keys. The logs tell of the assembly only.
  removeMatching(tree, /^\/etc\/ssh\/ssh_host_|^\/var\/log\/.*\.log$|^\/var\/cache\/(apt|debconf)\/.*(\.bin|-old)$/);
  removeMatching(tree, /^\/etc\/apt\/(sources\.list|sources\.list\.d\/.*)$/);
  // They are root's or apt's, depending on how mmdebstrap ran; apt puts that right when it needs them.
  for (const path of ['/var/cache/apt/archives/partial', '/var/lib/apt/lists/partial']) {
    const entry = tree.get(path);
    if (entry !== undefined) tree.set(path, { ...entry, uid: 0, gid: 0 });
  }
  copyGrubModules(tree, ARCHS[arch].grubPlatforms, folder);
  tree.set('/dev', folder);
  tree.set('/boot/efi', { ...folder, mode: 0o700 });
  tree.set('/etc/resolv.conf', { ...own, kind: 'symlink', mode: 0o777, target: '../run/systemd/resolve/stub-resolv.conf' });
  if (tree.get('/etc/default/locale')?.kind !== 'symlink') {
    tree.set('/etc/default/locale', { ...own, kind: 'symlink', mode: 0o777, target: '../locale.conf' });
  }
  const files = imageFiles({ arch, ids: request.ids, kernel: newestKernel(tree), sources: request.sources });
  await mkdir(request.scratch, { recursive: true });
  for (const [index, [path, text]] of Object.entries(files).entries()) {
    const source = join(request.scratch, String(index));
    await writeFile(source, text);
    addFolders(tree, path, folder);
    tree.set(path, { ...own, kind: 'file', mode: path === '/etc/machine-id' ? 0o444 : 0o644, source });
  }
}

/** Version of the kernel that boots: the last of the names, as there is one in a fresh system. */
export function newestKernel(tree: Tree): string {
  const prefix = '/boot/vmlinuz-';
  const versions = [...tree.keys()].filter((path) => path.startsWith(prefix)).map((path) => path.slice(prefix.length));
  const newest = versions.sort().at(-1);
  if (newest === undefined) throw new Error('the assembled system has no kernel');
  return newest;
}

// grub-install copies them too; GRUB looks nowhere else.
function copyGrubModules(tree: Tree, platforms: readonly string[], folder: TreeEntry): void {
  for (const platform of platforms) {
    const from = `/usr/lib/grub/${platform}/`;
    const modules = [...tree].filter(([path]) => path.startsWith(from) && /^[^/]+\.(mod|lst)$/.test(path.slice(from.length)));
    for (const [path, entry] of modules) {
      const to = `/boot/grub/${platform}/${path.slice(from.length)}`;
      addFolders(tree, to, folder);
      tree.set(to, entry);
    }
  }
}

function addFolders(tree: Tree, path: string, folder: TreeEntry): void {
  for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
    const parent = path.slice(0, end);
    if (!tree.has(parent)) tree.set(parent, folder);
  }
}

function remove(tree: Tree, paths: readonly string[]): void {
  for (const path of tree.keys()) {
    if (paths.some((gone) => path === gone || path.startsWith(`${gone}/`))) tree.delete(path);
  }
}

function removeMatching(tree: Tree, pattern: RegExp): void {
  for (const path of tree.keys()) if (pattern.test(path)) tree.delete(path);
}
