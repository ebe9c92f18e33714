// A vmkfstools for tests, on qemu-img: disks are a description and a flat file, as on VMFS. KIB_ESXI_STATE names a folder.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, renameSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

const words = process.argv.slice(2);
const VALUED = ['-i', '-d', '-c', '-a', '-X', '-E'];
const given = {};
const operands = [];
while (words.length > 0) {
  const word = words.shift();
  if (VALUED.includes(word)) given[word] = words.shift();
  else if (word === '-U' || word === '--punchzero') given[word] = true;
  else if (word.startsWith('-')) fail(`vmkfstools: unrecognized option '${word}'`);
  else operands.push(word);
}
const [disk] = operands;
if (operands.length !== 1) fail('Usage: vmkfstools [OPTIONS] FILE');
if (!['thin', 'zeroedthick', undefined].includes(given['-d'])) fail(`Unsupported disk format ${given['-d']}`);

if (given['-i'] !== undefined) clone(given['-i'], disk);
else if (given['-c'] !== undefined) create(disk, bytes(given['-c']));
else if (given['-X'] !== undefined) extend(disk, bytes(given['-X']));
else if (given['-E'] !== undefined) rename(given['-E'], disk);
else if (given['-U'] === true) {
  rmSync(flat(disk));
  rmSync(disk);
} else if (given['--punchzero'] !== true) fail('No valid command specified');
else mustBe(disk);

function fail(text) {
  console.error(text);
  process.exit(255);
}

function flat(path) {
  return path.replace(/\.vmdk$/, '-flat.vmdk');
}

function mustBe(path) {
  if (!existsSync(path)) fail(`Failed to open '${path}': The system cannot find the file specified (25).`);
}

function mustNotBe(path) {
  if (existsSync(path)) fail(`Failed to create '${path}': The file already exists (39).`);
}

/** `20g`, `8192k`: vmkfstools takes k, m, g and t, and without one bytes. */
function bytes(text) {
  const [, number, unit] = /^(\d+)([kmgt]?)$/i.exec(text) ?? fail(`Invalid size ${text}`);
  return Number(number) * 1024 ** ' kmgt'.indexOf(unit.toLowerCase() || ' ');
}

function describe(path, size) {
  const text = `# Disk DescriptorFile
version=1
encoding="UTF-8"
CID=fffffffe
parentCID=ffffffff
createType="vmfs"

# Extent description
RW ${size / 512} VMFS "${basename(flat(path))}"

# The Disk Data Base
#DDB

ddb.adapterType = "lsilogic"
ddb.geometry.cylinders = "${Math.min(16383, Math.floor(size / 512 / 255 / 63))}"
ddb.geometry.heads = "255"
ddb.geometry.sectors = "63"
ddb.thinProvisioned = "1"
ddb.virtualHWVersion = "17"
`;
  writeFileSync(path, text);
}

function create(path, size) {
  mustNotBe(path);
  writeFileSync(flat(path), '');
  truncateSync(flat(path), size);
  describe(path, size);
}

function clone(source, target) {
  mustBe(source);
  mustNotBe(target);
  const isVmfs = readFileSync(source).subarray(0, 21).toString() === '# Disk DescriptorFile';
  // As on a host where nothing has loaded the module yet.
  if (!isVmfs && !existsSync(join(process.env.KIB_ESXI_STATE, 'multiextent'))) {
    fail(`Failed to open '${source}': The file specified is not a virtual disk (15).`);
  }
  const from = isVmfs ? ['-f', 'raw', flat(source)] : ['-f', 'vmdk', source];
  const { status, stderr } = spawnSync('qemu-img', ['convert', '-O', 'raw', ...from, flat(target)], { encoding: 'utf8' });
  if (status !== 0) {
    rmSync(flat(target), { force: true });
    const isFull = stderr.includes('No space left');
    fail(
      `Failed to clone disk: ${isFull ? 'There is not enough space on the file system for the selected operation (13).' : stderr.trim()}`,
    );
  }
  describe(target, statSync(flat(target)).size);
  console.log('Destination disk format: VMFS thin-provisioned\nClone: 100% done.');
}

function extend(path, size) {
  mustBe(path);
  if (size <= statSync(flat(path)).size) fail('Failed to extend disk : The new size is not larger than the current one (20).');
  truncateSync(flat(path), size);
  describe(path, size);
}

function rename(from, to) {
  mustBe(from);
  mustNotBe(to);
  renameSync(flat(from), flat(to));
  const size = statSync(flat(to)).size;
  describe(to, size);
  rmSync(from);
}
