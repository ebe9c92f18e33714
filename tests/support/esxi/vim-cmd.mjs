// A vim-cmd for tests: an inventory of .vmx files, which the vmrun of tests/support/vmware boots. KIB_VMRUN_STATE and KIB_ESXI_STATE name folders.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runningMachines } from '../vmware/running.mjs';
import { readVmx } from '../vmware/vmx.mjs';

const inventory = join(process.env.KIB_ESXI_STATE, 'inventory');
const vmrunState = process.env.KIB_VMRUN_STATE;
mkdirSync(inventory, { recursive: true });

const [command = '', ...args] = process.argv.slice(2);
const COMMANDS = {
  'solo/registervm': register,
  'vmsvc/getallvms': list,
  'vmsvc/power.on': powerOn,
  'vmsvc/power.off': powerOff,
  'vmsvc/power.shutdown': shutdown,
  'vmsvc/power.getstate': (vm) => console.log(`Retrieved runtime info\nPowered ${running(vm) === undefined ? 'off' : 'on'}`),
  'vmsvc/unregister': (vm) => rmSync(join(inventory, vm.id)),
  'vmsvc/destroy': destroy,
  'vmsvc/get.guest': guest,
  'vmsvc/reload': () => {},
  'vmsvc/tools.install': () => {},
};
if (!Object.hasOwn(COMMANDS, command)) {
  console.log(`Invalid command '${command}'.`);
  process.exit(1);
}
const takesMachine = command.startsWith('vmsvc/') && command !== 'vmsvc/getallvms';
await COMMANDS[command](...(takesMachine ? [machine(args[0]), ...args.slice(1)] : args));

/** As vim-cmd prints what the host's API throws. */
function fault(type, text) {
  console.log(
    `(vim.fault.${type}) {\n   faultCause = (vmodl.MethodFault) null,\n   faultMessage = <unset>\n   msg = "${text}"\n}`,
  );
  process.exit(1);
}

function machines() {
  return readdirSync(inventory).map((id) => ({ id, vmx: readFileSync(join(inventory, id), 'utf8') }));
}

function machine(id) {
  const found = machines().find((vm) => vm.id === id);
  return found ?? fault('NotFound', `Unable to find a VM corresponding to "${id}"`);
}

function running({ vmx }) {
  return runningMachines(vmrunState).find((other) => other.vmx === vmx);
}

function register(vmx) {
  if (vmx === undefined || !existsSync(vmx)) fault('NotFound', `Unable to find a file ${vmx}`);
  readVmx(vmx);
  if (machines().some((other) => other.vmx === vmx))
    fault('AlreadyExists', 'The specified key, name, or identifier already exists.');
  for (let id = 1; ; id++) {
    try {
      writeFileSync(join(inventory, String(id)), vmx, { flag: 'wx' });
      console.log(id);
      return;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
  }
}

function list() {
  console.log('Vmid      Name                 File                 Guest OS       Version   Annotation');
  for (const { id, vmx } of machines()) {
    const settings = existsSync(vmx) ? readVmx(vmx) : new Map();
    const [, datastore, path] = /^\/vmfs\/volumes\/([^/]+)\/(.*)$/.exec(vmx);
    const version = `vmx-${settings.get('virtualhw.version') ?? '07'}`;
    console.log(
      `${id.padEnd(6)} ${settings.get('displayname')}   [${datastore}] ${path}   ${settings.get('guestos')}   ${version.padEnd(8)}`,
    );
  }
}

function vmrun(...words) {
  const program = fileURLToPath(new URL('../vmware/vmrun.mjs', import.meta.url));
  const child = spawn(process.execPath, [program, '-T', 'ws', ...words], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.on('data', (chunk) => {
    said += chunk;
  });
  return new Promise((done) => {
    child.on('close', (code) => done({ code, said: said.replace(/^Error: /, '').trim() }));
  });
}

async function powerOn(vm) {
  console.log('Powering on VM:');
  if (running(vm) !== undefined)
    fault('InvalidPowerState', 'The attempted operation cannot be performed in the current state (Powered on).');
  const { code, said } = await vmrun('start', vm.vmx, 'nogui');
  if (code !== 0) fault('GenericVmConfigFault', said.replaceAll('\n', ' '));
}

async function powerOff(vm) {
  console.log('Powering off VM:');
  if (running(vm) === undefined)
    fault('InvalidPowerState', 'The attempted operation cannot be performed in the current state (Powered off).');
  await vmrun('stop', vm.vmx, 'hard');
}

function shutdown(vm) {
  const found = running(vm);
  if (found === undefined)
    fault('InvalidPowerState', 'The attempted operation cannot be performed in the current state (Powered off).');
  if (!existsSync(join(found.folder, 'tools'))) {
    fault('ToolsUnavailable', 'Cannot complete operation because VMware Tools is not running in this virtual machine.');
  }
  // It returns at once, and does not wait for the guest.
  const program = fileURLToPath(new URL('../vmware/vmrun.mjs', import.meta.url));
  spawn(process.execPath, [program, 'stop', vm.vmx, 'soft'], { stdio: 'ignore', detached: true }).unref();
}

function destroy(vm) {
  if (running(vm) !== undefined)
    fault('InvalidPowerState', 'The attempted operation cannot be performed in the current state (Powered on).');
  rmSync(join(inventory, vm.id));
  rmSync(dirname(vm.vmx), { recursive: true, force: true });
}

function guest(vm) {
  const found = running(vm);
  const tools = found === undefined ? undefined : join(found.folder, 'tools');
  const address = tools !== undefined && existsSync(tools) ? `"${readFileSync(tools, 'utf8').trim()}"` : '<unset>';
  console.log(`Guest information:\n\n(vim.vm.GuestInfo) {\n   toolsStatus = "toolsNotInstalled",\n   ipAddress = ${address},\n}`);
}
