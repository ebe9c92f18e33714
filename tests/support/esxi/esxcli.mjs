// An esxcli for tests: the tables that Packer and the driver ask for, as CSV. KIB_VMRUN_STATE and KIB_ESXI_STATE name folders.
import { readdirSync, readFileSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { runningMachines } from '../vmware/running.mjs';
import { readVmx } from '../vmware/vmx.mjs';

const state = process.env.KIB_ESXI_STATE;
const words = process.argv.slice(2);
const formatter = /^--formatter(?:=(.*))?$/.exec(words[0] ?? '');
if (formatter !== null) words.splice(0, formatter[1] === undefined ? 2 : 1);
else fail('this esxcli only knows --formatter=csv');
const question = words.join(' ');
const table = /** @type {readonly (readonly [RegExp, (match: RegExpExecArray) => readonly Record<string, unknown>[]])[]} */ ([
  [
    /^system version get$/,
    () => [{ Build: 'Releasebuild-00000000', Patch: 0, Product: 'VMware ESXi', Update: 2, Version: '8.0.2' }],
  ],
  [/^system settings advanced list -o \/Net\/GuestIPHack$/, () => [guestIpHack()]],
  [/^storage filesystem list$/, filesystems],
  [/^network vswitch standard portgroup list$/, portGroups],
  [/^network vm list$/, () => guests().map(({ WorldID, Name }) => ({ Name, Networks: 'VM Network', NumPorts: 1, WorldID }))],
  [
    /^network vm port list -w (\d+)$/,
    ([, world]) =>
      guests()
        .filter(({ WorldID }) => String(WorldID) === world)
        .map(port),
  ],
  [/^network ip connection list$/, () => [{ LocalAddress: '0.0.0.0:22', State: 'LISTEN' }]],
]);
const [match, rows] = table.map(([pattern, answer]) => [pattern.exec(question), answer]).find(([found]) => found !== null) ?? [];
if (rows === undefined) fail(`Unknown command or namespace ${question}`);
print(rows(match));

function fail(text) {
  console.log(`Error: ${text}`);
  process.exit(1);
}

// Each line ends with a comma, as esxcli's do.
function print(found) {
  const columns = Object.keys(found[0] ?? {}).sort();
  const line = (values) =>
    `${values.map((value) => (/[",]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value)).join(',')},`;
  if (columns.length > 0) console.log(line(columns));
  for (const row of found) console.log(line(columns.map((column) => String(row[column]))));
}

function guestIpHack() {
  let value = '1';
  try {
    value = readFileSync(join(state, 'guest-ip-hack'), 'utf8').trim();
  } catch {}
  return {
    DefaultIntValue: 0,
    Description: '"enable guest IP hack"',
    IntValue: value,
    MaxValue: 1,
    MinValue: 0,
    Path: '/Net/GuestIPHack',
    Type: 'integer',
  };
}

function filesystems() {
  const volumes = readdirSync('/vmfs/volumes').map((name) => {
    const { bsize, blocks, bavail } = statfsSync(join('/vmfs/volumes', name));
    return {
      Free: bavail * bsize,
      MountPoint: `/vmfs/volumes/${name}`,
      Mounted: 'true',
      Size: blocks * bsize,
      Type: 'VMFS-6',
      UUID: name,
      VolumeName: name,
    };
  });
  return [
    ...volumes,
    { Free: 0, MountPoint: '', Mounted: 'false', Size: 0, Type: 'VMFS-unknown version', UUID: 'x', VolumeName: 'asleep' },
  ];
}

function portGroups() {
  return [
    { ActiveClients: 1, Name: 'Management Network', VLANID: 0, VirtualSwitch: 'vSwitch0' },
    { ActiveClients: 0, Name: 'VM Network', VLANID: 0, VirtualSwitch: 'vSwitch0' },
  ];
}

function guests() {
  return runningMachines(process.env.KIB_VMRUN_STATE).map(({ vmx, pid }) => {
    const settings = readVmx(vmx);
    const mac = settings.get('ethernet0.address') ?? settings.get('ethernet0.generatedaddress') ?? '';
    return { WorldID: pid, Name: settings.get('displayname'), mac: mac.toLowerCase() };
  });
}

/** The host learns an address when the guest first speaks; here its lease tells. */
function port({ mac }) {
  const leases = [
    ...readFileSync(process.env.KIB_ESXI_LEASES, 'utf8').matchAll(/^lease ([\d.]+) \{[^}]*hardware ethernet ([\da-f:]+);/gm),
  ];
  const known = guestIpHack().IntValue === '1' ? leases.filter(([, , other]) => other === mac).at(-1)?.[1] : undefined;
  return {
    DVPortID: '',
    IPAddress: known ?? '0.0.0.0',
    MACAddress: mac,
    PortID: 33554441,
    Portgroup: 'VM Network',
    TeamUplink: 'vmnic0',
    vSwitch: 'vSwitch0',
  };
}
