import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { run } from '../../../src/io/process.ts';

const { signal } = new AbortController();
const SUBNET = '172.31.77';
let count = 0;

const NEEDED = ['/usr/sbin/ip', '/usr/sbin/dnsmasq', '/usr/bin/qemu-system-x86_64'];

/** Why there can be no rig here; undefined when there can. */
export const noVmwareRig: string | undefined =
  userInfo().uid === 0
    ? NEEDED.filter((path) => !existsSync(path)).map((path) => `${path} is not installed`)[0]
    : 'only root can make the namespace of the rig';

/** VMware’s NAT network, DHCP server and vmrun for tests, in a network namespace that goes with it. Machines of it are QEMU. */
export interface VmwareRig extends AsyncDisposable {
  /** A vmrun for the driver: enters the namespace by itself. */
  readonly vmrun: string;
  /** In ISC's format, as VMware's DHCP server writes it. */
  readonly leases: string;
  /** argv that runs a program inside the namespace. */
  within(argv: readonly string[]): readonly string[];
  /** Folder of what runs: one folder per machine. */
  readonly state: string;
}

/** Starts a rig in `dir`, an empty folder of the caller's. Needs root, ip(8) and dnsmasq(8). */
export async function startVmwareRig(dir: string): Promise<VmwareRig> {
  const name = `kib-vmw-${process.pid}-${++count}`;
  const state = join(dir, 'state');
  const leases = join(dir, 'dhcpd.leases');
  await mkdir(state, { recursive: true });
  await writeFile(leases, '');
  const within = (argv: readonly string[]): readonly string[] => ['ip', 'netns', 'exec', name, ...argv];
  const ip = (...args: readonly string[]) => run('ip', [...args], { signal });
  const inside = (...argv: readonly string[]) => ip(...within(argv).slice(1));
  await ip('netns', 'add', name);
  await inside('ip', 'link', 'set', 'lo', 'up');
  await inside('ip', 'link', 'add', 'vmnet8', 'type', 'bridge', 'forward_delay', '0');
  await inside('ip', 'address', 'add', `${SUBNET}.1/24`, 'dev', 'vmnet8');
  await inside('ip', 'link', 'set', 'vmnet8', 'up');
  const hook = await executable(join(dir, 'lease-hook'), leaseHook(leases));
  const vmrun = await executable(join(dir, 'vmrun'), wrapper(name, state));
  const dnsmasq = spawn('ip', within(dnsmasqArgv(dir, hook)).slice(1), { stdio: ['ignore', 'ignore', 'inherit'] });
  const ended = once(dnsmasq, 'exit');
  await listening(join(dir, 'dnsmasq.pid'));
  return {
    vmrun,
    leases,
    within,
    state,
    async [Symbol.asyncDispose]() {
      dnsmasq.kill('SIGTERM');
      await ended;
      await ip('netns', 'del', name);
    },
  };
}

function dnsmasqArgv(dir: string, hook: string): readonly string[] {
  return [
    'dnsmasq',
    '--keep-in-foreground',
    '--conf-file=/dev/null',
    '--no-resolv',
    '--no-hosts',
    '--port=0',
    '--interface=vmnet8',
    '--bind-interfaces',
    `--dhcp-range=${SUBNET}.100,${SUBNET}.200,1h`,
    '--dhcp-authoritative',
    '--no-ping',
    `--dhcp-leasefile=${join(dir, 'dnsmasq.leases')}`,
    `--pid-file=${join(dir, 'dnsmasq.pid')}`,
    `--dhcp-script=${hook}`,
    '--dhcp-scriptuser=root',
    '--user=root',
  ];
}

/** dnsmasq(8) --dhcp-script: add|old|del MAC IP [hostname]. */
const leaseHook = (leases: string): string => `#!/bin/sh
[ "$1" = del ] && exit 0
stamp() { date -u -d "$1" '+%w %Y/%m/%d %H:%M:%S'; }
cat >>'${leases}' <<EOF
lease $3 {
	starts $(stamp now);
	ends $(stamp '+30 min');
	hardware ethernet $2;
	client-hostname "$4";
}
EOF
`;

const wrapper = (namespace: string, state: string): string => `#!/bin/sh
export KIB_VMRUN_STATE='${state}'
set -- '${process.execPath}' '${fileURLToPath(new URL('vmrun.mjs', import.meta.url))}' "$@"
[ "$(ip netns identify)" = '${namespace}' ] && exec "$@"
exec ip netns exec '${namespace}' "$@"
`;

async function executable(path: string, text: string): Promise<string> {
  await writeFile(path, text);
  await chmod(path, 0o755);
  return path;
}

async function listening(pidfile: string): Promise<void> {
  for (let waited = 0; waited < 5000; waited += 50) {
    if ((await readFile(pidfile, 'utf8').catch(() => '')) !== '') return;
    await sleep(50);
  }
  throw new Error('dnsmasq did not start');
}
