// Disks of machines: how QEMU opens them, and how one goes on where another is frozen.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** Name of QEMU's block node for a disk. */
export function nodeName(path) {
  return `disk-${createHash('sha256').update(path).digest('hex').slice(0, 20)}`;
}

/** A disk as a block node. VMware locks it by a folder beside it, and lets others read what is below. */
export function diskNode(path) {
  const cache = { 'no-flush': true };
  return { driver: 'vmdk', 'node-name': nodeName(path), cache, file: { driver: 'file', filename: path, locking: 'off', cache } };
}

/** Makes an empty delta on a disk that nobody writes to any more; it names its parent as VMware does, by its name alone in the same folder. */
export function makeDelta(parent, path) {
  const hint = dirname(parent) === dirname(path) ? basename(parent) : parent;
  qemuImg('create', '-q', '-f', 'vmdk', '-b', hint, '-F', 'vmdk', path);
}

/** `disk-000001.vmdk`: what VMware calls the delta that comes after a disk. */
export function nextDelta(file, folder) {
  const stem = basename(file, '.vmdk').replace(/-\d{6}$/, '');
  for (let number = 1; ; number++) {
    const path = join(folder, `${stem}-${String(number).padStart(6, '0')}.vmdk`);
    if (!existsSync(path)) return path;
  }
}

/** Whether a disk is of no use without another one. */
export function isDelta(path) {
  return JSON.parse(qemuImg('info', '--output=json', '-f', 'vmdk', path))['backing-filename'] !== undefined;
}

export function qemuImg(...args) {
  const { status, stdout, stderr } = spawnSync('qemu-img', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr.trim());
  return stdout;
}
