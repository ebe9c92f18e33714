// Boots a .vmx in QEMU: what a VMware product would do with it, as far as a guest can tell. Runs until the guest is off.
// Usage: machine.mjs <absolute .vmx> <state folder>. Needs a bridge named after the virtual network (vmnet8), see rig.ts.
import { spawn, spawnSync } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { diskNode, nodeName } from './disks.mjs';
import { cdromsOf, changeVmx, disksOf, isTrue, readVmx } from './vmx.mjs';

const PORT_GROUPS = { 'VM Network': 'vmnet8' };
const VMNETS = { nat: 'vmnet8', hostonly: 'vmnet1' };
/** -cpu max with the hypervisor bit off panics Linux 6.12 under QEMU 7.2's emulation. */
const CPU = 'Nehalem,-hypervisor';
const FIRMWARE = { code: '/usr/share/OVMF/OVMF_CODE.fd', vars: '/usr/share/OVMF/OVMF_VARS.fd' };

const [vmx, state] = process.argv.slice(2);
const folder = dirname(vmx);
const id = createHash('sha256').update(vmx).digest('hex').slice(0, 10);
const settings = readVmx(vmx);
const resolve = (file) => (isAbsolute(file) ? file : join(folder, file));
const scratch = join(state, id);
mkdirSync(scratch, { recursive: true });

const undo = [];
function end(code) {
  for (const step of undo.reverse()) step();
  // Last: until then it runs.
  rmSync(join(scratch, 'running'), { force: true });
  process.exit(code);
}
/** What vmrun prints after "Error: ". */
function refuse(text) {
  writeFileSync(join(scratch, 'error'), text);
  end(255);
}

const disks = disksOf(settings);
for (const { file } of disks) {
  if (!existsSync(resolve(file))) {
    refuse(`Cannot open the disk '${resolve(file)}' or one of the snapshot disks it depends on.`);
  }
}
if (![undefined, 'efi', 'bios'].includes(settings.get('firmware'))) refuse("Module 'FirmwareManager' power on failed.");

const mac = addressOf();
const network = settings.get('ethernet0.connectiontype') ?? 'bridged';
// ESXi names a port group instead; the rig has one.
const portGroup = settings.get('ethernet0.networkname');
const bridge =
  portGroup !== undefined ? PORT_GROUPS[portGroup] : network === 'custom' ? settings.get('ethernet0.vnet') : VMNETS[network];
const tap = `vt${id}`;
if (isTrue(settings.get('ethernet0.present'))) {
  if (bridge === undefined) refuse(`The network of ethernet0 (${network}) is not available.`);
  must('ip', ['tuntap', 'add', tap, 'mode', 'tap']);
  undo.push(() => spawnSync('ip', ['link', 'del', tap]));
  must('ip', ['link', 'set', tap, 'master', bridge, 'up']);
}
for (const { file } of disks) {
  const lock = `${resolve(file)}.lck`;
  mkdirSync(lock);
  undo.push(() => rmSync(lock, { recursive: true, force: true }));
}
// A snapshot locks the disk that the machine goes on with.
undo.push(() => {
  const locks = existsSync(folder) ? readdirSync(folder).filter((file) => file.endsWith('.vmdk.lck')) : [];
  for (const lock of locks) rmSync(join(folder, lock), { recursive: true, force: true });
});

const qemu = spawn('qemu-system-x86_64', argv(), { stdio: ['ignore', 'ignore', 'pipe'] });
let problems = '';
qemu.stderr.on('data', (chunk) => {
  problems += chunk;
});
// A guest of the tests has no tools; `kib.tools = "<address>"` says what they would tell.
if (settings.has('kib.tools')) writeFileSync(join(scratch, 'tools'), settings.get('kib.tools'));
undo.push(() => rmSync(join(scratch, 'tools'), { force: true }));
qemu.on('spawn', () => writeFileSync(join(scratch, 'running'), JSON.stringify({ vmx, pid: qemu.pid, supervisor: process.pid })));
qemu.on('exit', (code) => {
  if (code !== 0 && code !== null) writeFileSync(join(scratch, 'error'), `QEMU: ${problems.trim()}`);
  end(0);
});
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => qemu.kill('SIGKILL'));

function argv() {
  const number = (key, fallback) => Number.parseInt(settings.get(key) ?? fallback, 10);
  return [
    ['-name', `kib-vmx-${id}`, '-display', 'none'],
    ['-machine', 'q35,accel=tcg', '-cpu', CPU, '-m', String(number('memsize', '1024')), '-smp', String(number('numvcpus', '1'))],
    // dmidecode of a VMware guest; a comma within a value is doubled (qemu-options).
    ['-smbios', 'type=1,manufacturer=VMware,, Inc.,product=VMware7,,1'],
    ['-device', 'virtio-rng-pci', '-qmp', `unix:${join(scratch, 'qmp')},server=on,wait=off`],
    firmware(),
    ...disks.map(disk),
    ...cdromsOf(settings).map(({ device, file }) => [
      '-drive',
      `if=none,id=${name(device)},media=cdrom,readonly=on,file=${resolve(file)}`,
      '-device',
      `ide-cd,drive=${name(device)}`,
    ]),
    nic(),
    serial(),
    guestinfo(),
  ].flat();
}

function firmware() {
  if (settings.get('firmware') !== 'efi') return [];
  const vars = join(scratch, 'vars.fd');
  copyFileSync(FIRMWARE.vars, vars);
  return [
    ['-drive', `if=pflash,format=raw,unit=0,readonly=on,file=${FIRMWARE.code}`],
    ['-drive', `if=pflash,format=raw,unit=1,file=${vars}`],
  ].flat();
}

function disk({ device, file }) {
  const drive = ['-blockdev', JSON.stringify(diskNode(resolve(file)))];
  const controller = device.split(':')[0];
  if (!isTrue(settings.get(`${controller}.present`))) refuse(`${device} is on a controller that is not present.`);
  const boot = `drive=${nodeName(resolve(file))},bootindex=1`;
  if (device.startsWith('scsi')) {
    const model = settings.get(`${controller}.virtualdev`) ?? 'lsilogic';
    const device = { pvscsi: 'pvscsi', lsilogic: 'lsi53c895a', lsisas1068: 'mptsas1068' }[model];
    if (device === undefined) refuse(`${controller} has an unknown adapter ${model}.`);
    return [...drive, '-device', `${device},id=${controller}`, '-device', `scsi-hd,bus=${controller}.0,${boot}`];
  }
  if (device.startsWith('nvme')) return [...drive, '-device', `nvme,serial=${controller},${boot}`];
  return [...drive, '-device', `ide-hd,${boot}`];
}

function nic() {
  if (!isTrue(settings.get('ethernet0.present'))) return ['-nic', 'none'];
  const model = settings.get('ethernet0.virtualdev') ?? 'e1000';
  return ['-netdev', `tap,id=n0,ifname=${tap},script=no,downscript=no`, '-device', `${model},netdev=n0,mac=${mac}`];
}

function serial() {
  if (!isTrue(settings.get('serial0.present')) || settings.get('serial0.filetype') !== 'file') return ['-serial', 'none'];
  return ['-serial', `file:${resolve(settings.get('serial0.filename'))}`];
}

/** The guest reads them with a vmware-rpctool of the test's own, below /sys/firmware/qemu_fw_cfg. */
function guestinfo() {
  return [...settings]
    .filter(([key]) => key.startsWith('guestinfo.'))
    .flatMap(([key, value]) => {
      const file = join(scratch, key);
      writeFileSync(file, value);
      return ['-fw_cfg', `name=opt/${key},file=${file}`];
    });
}

/** The address of ethernet0: given, or generated once and written down, as VMware does at power-on. */
function addressOf() {
  const type = settings.get('ethernet0.addresstype') ?? 'generated';
  if (type === 'static') return settings.get('ethernet0.address') ?? refuse('ethernet0 has a static address but none is given.');
  const known = settings.get('ethernet0.generatedaddress');
  if (known !== undefined) return known;
  const bytes = createHash('sha256').update(randomUUID()).digest();
  const generated = `00:0c:29:${[...bytes.subarray(0, 3)].map((byte) => byte.toString(16).padStart(2, '0')).join(':')}`;
  changeVmx(vmx, {
    'ethernet0.generatedAddress': generated,
    'ethernet0.generatedAddressOffset': '0',
    'uuid.bios': `56 4d ${[...bytes.subarray(4, 18)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ')}`,
  });
  return generated;
}

function name(device) {
  return device.replaceAll(':', '_');
}

function must(program, args) {
  const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) refuse(`${program} ${args.join(' ')}: ${stderr?.trim()}`);
}

process.on('uncaughtException', (error) => refuse(String(error)));
