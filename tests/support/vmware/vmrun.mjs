#!/usr/bin/env node
// A vmrun for tests: takes .vmx files as VMware's does and boots them in QEMU (machine.mjs). KIB_VMRUN_STATE names a folder for what runs.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withQmp } from './qmp.mjs';
import { isAlive, runningMachines } from './running.mjs';
import { cloneMachine, dropSnapshot, snapshotsOf, takeSnapshot } from './snapshots.mjs';

const state = process.env.KIB_VMRUN_STATE;
if (state === undefined) fail('KIB_VMRUN_STATE is not set');
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

const args = process.argv.slice(2);
if (args[0] === '-T') {
  if (!['ws', 'fusion', 'player'].includes(args[1])) fail(`Unrecognized host type: ${args[1]}`);
  args.splice(0, 2);
}
const [command, ...rest] = args;
const COMMANDS = { list, start, stop, clone, snapshot, listSnapshots, deleteSnapshot, getGuestIPAddress, deleteVM };
if (!Object.hasOwn(COMMANDS, command ?? '')) fail(`Unrecognized command: ${command}`);
try {
  await COMMANDS[command](...rest);
} catch (error) {
  fail(error.message);
}

/** VMware writes it to standard output and exits with 255. */
function fail(text) {
  console.log(`Error: ${text}`);
  process.exit(255);
}

function running() {
  return runningMachines(state);
}

function find(vmx) {
  return running().find((machine) => machine.vmx === resolve(vmx));
}

function mustExist(vmx) {
  if (vmx === undefined || !existsSync(vmx)) fail(`Cannot open VM: ${vmx}, The virtual machine cannot be found`);
}

function mustBeOff(vmx) {
  if (find(vmx) !== undefined) fail('The virtual machine should not be powered on. It is already running.');
}

function list() {
  const machines = running();
  console.log(`Total running VMs: ${machines.length}`);
  for (const { vmx } of machines) console.log(vmx);
}

async function start(vmx, mode = 'gui') {
  mustExist(vmx);
  if (!['gui', 'nogui'].includes(mode)) fail('Invalid argument');
  if (find(vmx) !== undefined) fail('The file is already in use');
  const child = spawn(process.execPath, [fileURLToPath(new URL('machine.mjs', import.meta.url)), resolve(vmx), state], {
    detached: true,
    stdio: 'ignore',
  });
  let ended = false;
  child.on('exit', () => {
    ended = true;
  });
  child.unref();
  for (let waited = 0; waited < 20_000; waited += 50) {
    if (isUp(vmx)) {
      // A machine that QEMU refuses is gone again at once.
      await sleep(300);
      if (isUp(vmx)) return;
    }
    if (ended) fail(lastError() ?? 'The operation was canceled');
    await sleep(50);
  }
  fail('The operation timed out');
}

function isUp(vmx) {
  const machine = find(vmx);
  return machine !== undefined && isAlive(machine.pid);
}

function lastError() {
  for (const name of readdirSync(state)) {
    const file = join(state, name, 'error');
    if (!existsSync(file)) continue;
    const text = readFileSync(file, 'utf8');
    rmSync(file);
    return text;
  }
  return undefined;
}

async function stop(vmx, mode = 'hard') {
  mustExist(vmx);
  const machine = find(vmx);
  if (machine === undefined) fail(`The virtual machine is not powered on: ${vmx}`);
  if (mode === 'soft') {
    if (!existsSync(join(machine.folder, 'tools'))) fail(`The VMware Tools are not running in the virtual machine: ${vmx}`);
    await withQmp(join(machine.folder, 'qmp'), (execute) => execute('system_powerdown'));
  } else process.kill(machine.supervisor, 'SIGTERM');
  for (let waited = 0; waited < 120_000; waited += 100) {
    if (find(vmx) === undefined) return;
    await sleep(100);
  }
  fail('The operation timed out');
}

async function clone(from, to, type, ...options) {
  mustExist(from);
  if (!['full', 'linked'].includes(type)) fail('Invalid argument');
  mustBeOff(from);
  const option = (name) => options.find((text) => text.startsWith(`-${name}=`))?.slice(name.length + 2);
  const [source, target] = [resolve(from), resolve(to)];
  await cloneMachine(source, target, { isLinked: type === 'linked', snapshot: option('snapshot'), name: option('cloneName') });
}

async function snapshot(vmx, name) {
  mustExist(vmx);
  if (name === undefined) fail('Invalid argument');
  await takeSnapshot(resolve(vmx), name, find(vmx));
}

function listSnapshots(vmx) {
  mustExist(vmx);
  const snapshots = snapshotsOf(resolve(vmx));
  console.log(`Total snapshots: ${snapshots.length}`);
  for (const { name } of snapshots) console.log(name);
}

function deleteSnapshot(vmx, name) {
  mustExist(vmx);
  mustBeOff(vmx);
  dropSnapshot(resolve(vmx), name);
}

function getGuestIPAddress(vmx) {
  mustExist(vmx);
  const machine = find(vmx);
  if (machine === undefined) fail(`The virtual machine is not powered on: ${vmx}`);
  const tools = join(machine.folder, 'tools');
  if (!existsSync(tools)) fail(`The VMware Tools are not running in the virtual machine: ${vmx}`);
  console.log(readFileSync(tools, 'utf8').trim());
}

function deleteVM(vmx) {
  mustExist(vmx);
  mustBeOff(vmx);
  rmSync(dirname(vmx), { recursive: true });
}
