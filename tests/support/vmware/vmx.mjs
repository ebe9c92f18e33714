// Reads and writes .vmx files for the runner. It shares no code with the driver, so that it can judge it.
import { readFileSync, writeFileSync } from 'node:fs';

/** Settings by lower-case key; throws where a line is none, as VMware refuses such a file ("Dictionary problem"). */
export function readVmx(path) {
  const settings = new Map();
  for (const [index, line] of readFileSync(path, 'utf8').split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.trim().startsWith('#')) continue;
    const match = /^\s*([^\s=]+)\s*=\s*"([^"]*)"\s*$/.exec(line);
    if (match === null) throw new Error(`Dictionary problem: ${path}: line ${index + 1}`);
    settings.set(
      match[1].toLowerCase(),
      match[2].replaceAll(/\|([0-9A-Fa-f]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16))),
    );
  }
  return settings;
}

/** Sets values in a .vmx file, as VMware does itself; undefined removes one. */
export function changeVmx(path, changes) {
  const changed = new Set(Object.keys(changes).map((key) => key.toLowerCase()));
  const rest = readFileSync(path, 'utf8')
    .split(/\r?\n/)
    .filter((line) => line !== '' && !changed.has(line.split('=')[0].trim().toLowerCase()));
  const added = Object.entries(changes).flatMap(([key, value]) => (value === undefined ? [] : [`${key} = "${value}"`]));
  writeFileSync(path, `${[...rest, ...added].join('\n')}\n`);
}

/** Disks of a machine: device (`scsi0:0`), controller model and file, in bus order. */
export function disksOf(settings) {
  return [...settings]
    .filter(([key, value]) => /^(scsi|sata|nvme|ide)\d:\d+\.filename$/.test(key) && /\.vmdk$/i.test(value))
    .map(([key, file]) => ({ device: key.replace(/\.filename$/, ''), file }))
    .filter(({ device }) => isTrue(settings.get(`${device}.present`)))
    .sort((a, b) => (a.device < b.device ? -1 : 1));
}

/** CD-ROM images that are connected at power-on. */
export function cdromsOf(settings) {
  return [...settings]
    .filter(([key, value]) => key.endsWith('.devicetype') && value === 'cdrom-image')
    .map(([key]) => key.replace(/\.devicetype$/, ''))
    .filter((device) => isTrue(settings.get(`${device}.present`)) && isTrue(settings.get(`${device}.startconnected`) ?? 'TRUE'))
    .map((device) => ({ device, file: settings.get(`${device}.filename`) }));
}

export function isTrue(value) {
  return value?.toUpperCase() === 'TRUE';
}
