// Snapshots and clones as VMware makes them: a delta goes on where a disk is frozen, and the .vmsd tells which disks that were.
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { diskNode, isDelta, makeDelta, nextDelta, nodeName, qemuImg } from './disks.mjs';
import { withQmp } from './qmp.mjs';
import { changeVmx, disksOf, readVmx } from './vmx.mjs';

/** Snapshots of a machine, oldest first: number, name, the disks that it froze, by device, and the linked clones that stand on them. */
export function snapshotsOf(vmx) {
  if (!existsSync(beside(vmx, '.vmsd'))) return [];
  const entries = readVmx(beside(vmx, '.vmsd'));
  const count = (key) => Array.from({ length: Number(entries.get(key) ?? 0) }, (_, index) => index);
  return count('snapshot.numsnapshots').map((n) => ({
    uid: Number(entries.get(`snapshot${n}.uid`)),
    name: entries.get(`snapshot${n}.displayname`),
    disks: count(`snapshot${n}.numdisks`).map((d) => ({
      device: entries.get(`snapshot${n}.disk${d}.node`),
      file: entries.get(`snapshot${n}.disk${d}.filename`),
    })),
    clones: count(`snapshot${n}.numclones`).map((c) => entries.get(`snapshot${n}.clone${c}`)),
  }));
}

/** Freezes the disks of a machine, and keeps its memory when it runs (`running`: see running.mjs). */
export async function takeSnapshot(vmx, name, running) {
  const known = snapshotsOf(vmx);
  if (known.some((other) => other.name === name)) throw new Error('The name already exists');
  const folder = dirname(vmx);
  const settings = readVmx(vmx);
  const disks = disksOf(settings);
  const turns = disks.map(({ device, file }) => ({ device, from: resolve(folder, file), to: nextDelta(file, folder) }));
  if (running === undefined) for (const { from, to } of turns) makeDelta(from, to);
  else await withQmp(join(running.folder, 'qmp'), (execute) => goOnOn(turns, execute));
  changeVmx(vmx, Object.fromEntries(turns.map(({ device, to }) => [`${device}.fileName`, basename(to)])));
  const uid = (known.at(-1)?.uid ?? 0) + 1;
  writeFileSync(beside(vmx, `-Snapshot${uid}.vmsn`), '');
  if (running !== undefined) {
    const memory = beside(vmx, `-Snapshot${uid}.vmem`);
    writeFileSync(memory, '');
    truncateSync(memory, Number(settings.get('memsize')) * 1024 ** 2);
  }
  remember(vmx, [...known, { uid, name, disks, clones: [] }]);
}

/** The guest stands still meanwhile, so that nothing is on its way to the disk that is frozen. */
async function goOnOn(turns, execute) {
  await execute('stop');
  for (const { from, to } of turns) {
    makeDelta(from, to);
    mkdirSync(`${to}.lck`);
    await execute('blockdev-add', { ...diskNode(to), backing: null });
    await execute('blockdev-snapshot', { node: nodeName(from), overlay: nodeName(to) });
  }
  await execute('cont');
}

/** Puts what came after the newest snapshot into the disks that it froze; the rig can do that for no other, and only while the machine is off. */
export function dropSnapshot(vmx, name) {
  const known = snapshotsOf(vmx);
  const last = known.at(-1);
  if (last?.name !== name) throw new Error('The snapshot does not exist, or is not the newest');
  const folder = dirname(vmx);
  for (const { device, file } of disksOf(readVmx(vmx))) {
    const path = resolve(folder, file);
    qemuImg('commit', '-q', '-f', 'vmdk', '-d', path);
    rmSync(path);
    changeVmx(vmx, { [`${device}.fileName`]: last.disks.find((disk) => disk.device === device).file });
  }
  for (const kind of ['vmsn', 'vmem']) rmSync(beside(vmx, `-Snapshot${last.uid}.${kind}`), { force: true });
  remember(vmx, known.slice(0, -1));
}

/** Copies disks and settings only; the copy gets an address and a UUID of its own when it first runs. A linked one stands on frozen disks. */
export async function cloneMachine(from, to, options) {
  // VMware has a machine to itself meanwhile.
  const lock = `${from}.lck`;
  try {
    mkdirSync(lock);
  } catch {
    throw new Error('The file is already in use');
  }
  try {
    await copyMachine(from, to, options);
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}

async function copyMachine(from, to, { isLinked, snapshot, name }) {
  const folder = dirname(to);
  mkdirSync(folder, { recursive: true });
  // As its wizard does for a clone of the current state.
  if (isLinked && snapshot === undefined) await takeSnapshot(from, `for ${basename(to, '.vmx')}`);
  const known = snapshotsOf(from);
  const frozen = known.findLast((other) => snapshot === undefined || other.name === snapshot);
  const chosen = isLinked || snapshot !== undefined ? frozen?.disks : disksOf(readVmx(from));
  if (chosen === undefined) throw new Error('The snapshot does not exist');
  const files = {};
  for (const [index, { device, file }] of chosen.entries()) {
    const source = resolve(dirname(from), file);
    const copy = isLinked ? `${basename(to, '.vmx')}-cl${index + 1}.vmdk` : basename(file);
    files[`${device}.fileName`] = copy;
    if (isLinked) makeDelta(source, join(folder, copy));
    else if (isDelta(source)) qemuImg('convert', '-f', 'vmdk', '-O', 'vmdk', source, join(folder, copy));
    else copyFileSync(source, join(folder, copy));
  }
  copyFileSync(from, to);
  const fresh = ['ethernet0.generatedAddress', 'ethernet0.generatedAddressOffset', 'uuid.bios', 'uuid.location'];
  changeVmx(to, {
    ...Object.fromEntries(fresh.map((key) => [key, undefined])),
    ...files,
    ...(name === undefined ? {} : { displayName: name }),
  });
  if (!isLinked) return;
  // Either knows of the other by its path, so that neither can be moved.
  remember(
    from,
    known.map((one) => (one === frozen ? { ...one, clones: [...one.clones, to] } : one)),
  );
  const origin = { cloneOf0: from, numCloneOf: 1, sentinel0: Object.values(files)[0], numSentinels: 1 };
  writeFileSync(beside(to, '.vmsd'), linesOf(Object.entries(origin)));
}

function beside(vmx, ending) {
  return join(dirname(vmx), `${basename(vmx, '.vmx')}${ending}`);
}

function remember(vmx, snapshots) {
  const last = snapshots.at(-1)?.uid ?? 0;
  const entries = [
    ['.encoding', 'UTF-8'],
    ['snapshot.lastUID', last],
    ['snapshot.current', last],
    ['snapshot.numSnapshots', snapshots.length],
    ...snapshots.flatMap(({ uid, name, disks, clones }, n) => [
      [`snapshot${n}.uid`, uid],
      [`snapshot${n}.filename`, basename(beside(vmx, `-Snapshot${uid}.vmsn`))],
      ...(n === 0 ? [] : [[`snapshot${n}.parent`, snapshots[n - 1].uid]]),
      [`snapshot${n}.displayName`, name],
      [`snapshot${n}.numDisks`, disks.length],
      ...disks.flatMap(({ device, file }, d) => [
        [`snapshot${n}.disk${d}.fileName`, file],
        [`snapshot${n}.disk${d}.node`, device],
      ]),
      ...clones.map((clone, c) => [`snapshot${n}.clone${c}`, clone]),
      ...(clones.length === 0 ? [] : [[`snapshot${n}.numClones`, clones.length]]),
    ]),
  ];
  const path = beside(vmx, '.vmsd');
  // What it is a clone of, itself.
  const origin = existsSync(path) ? readFileSync(path, 'utf8').match(/^(numC|c)loneOf.*\n|^(numS|s)entinel.*\n/gm) : null;
  writeFileSync(path, `${linesOf(entries)}${(origin ?? []).join('')}`);
}

function linesOf(entries) {
  return entries.map(([key, value]) => `${key} = "${value}"\n`).join('');
}
