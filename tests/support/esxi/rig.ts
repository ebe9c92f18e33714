import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, rmdir, symlink, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Scope } from '../../../src/core/index.ts';
import { filesBelow } from '../leftovers.ts';
import { startRigSshd } from '../rig-sshd.ts';
import { startVmwareRig } from '../vmware/rig.ts';

const NEEDED = [
  '/usr/sbin/sshd',
  '/usr/sbin/dnsmasq',
  '/usr/sbin/ip',
  '/usr/bin/nsenter',
  '/usr/bin/qemu-system-x86_64',
  '/bin/busybox',
];

/** Why there can be no rig here; undefined when there can. */
export const noRig: string | undefined =
  userInfo().uid === 0
    ? NEEDED.filter((path) => !existsSync(path)).map((path) => `${path} is not installed`)[0]
    : 'only root can make the namespaces of the rig';

const COMMANDS = {
  'vim-cmd': new URL('vim-cmd.mjs', import.meta.url),
  esxcli: new URL('esxcli.mjs', import.meta.url),
  vmkfstools: new URL('vmkfstools.mjs', import.meta.url),
};

/** What ESXi's busybox has of the applets that anybody here could think of; the rig's shell finds nothing else. */
const APPLETS =
  'ash awk basename cat chmod cp cut date dd df dirname du echo env expr false find grep gunzip gzip head hostname kill ln ls md5sum mkdir mktemp more mv nohup od printf ps pwd readlink rm rmdir sed seq sh sha1sum sha256sum sleep sort stat sync tail tar tee test touch tr true uname uniq vi wc which xargs zcat ['.split(
    ' ',
  );

/**
 * What a login to an ESXi host finds, for tests: OpenSSH, busybox's shell, `vim-cmd`, `esxcli`, `vmkfstools` and datastores below /vmfs/volumes;
 * machines are QEMU (tests/support/vmware). Datastores: `datastore1`; `with space`; `small`, of 64 KiB; `asleep`, not mounted. Port group:
 * `VM Network`.
 */
export interface EsxiRig extends AsyncDisposable {
  /** Options of the driver that lead there. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly dir: string;
  readonly keyFile: string;
  /** Folder that /vmfs/volumes/datastore1 is. */
  readonly datastore: string;
  /** Names of registered machines and of files in the datastores that hold the text. */
  named(text: string): readonly string[];
  /** argv that runs a program in the network and mounts of the host. */
  within(argv: readonly string[]): readonly string[];
  /** Runs a command in the host's shell; throws when it fails. */
  shell(command: string): string;
  /** What esxcli says of GuestIPHack, which decides whether it knows addresses. */
  setGuestIpHack(isOn: boolean): Promise<void>;
  /** Forgets that the module multiextent was loaded. */
  unloadMultiextent(): Promise<void>;
  /** Starts an SSH server on the loopback of the host's own network, for clients there; it ends with the rig. */
  listenInside(): Promise<{ readonly host: string; readonly port: number }>;
  /** SSH connections accepted so far. */
  readonly connections: () => number;
  /** Breaks every SSH connection. */
  drop(): void;
}

/** Starts the rig; the caller disposes it. */
export async function startEsxiRig(sshdLines: readonly string[] = []): Promise<EsxiRig> {
  if (noRig !== undefined) throw new Error(noRig);
  const scope = new Scope();
  try {
    return await start(scope, sshdLines);
  } catch (error) {
    await scope[Symbol.asyncDispose]();
    throw error;
  }
}

async function start(scope: Scope, sshdLines: readonly string[]): Promise<EsxiRig> {
  const dir = await mkdtemp(join(tmpdir(), 'kib-esxi-'));
  scope.defer('folder', () => rm(dir, { recursive: true, force: true }));
  const state = join(dir, 'esxi');
  for (const name of ['bin', 'datastore1', 'space', 'esxi/inventory']) await mkdir(join(dir, name), { recursive: true });
  await mkdir('/vmfs', { recursive: true });
  // Another rig may still use it.
  scope.defer('/vmfs', () => rmdir('/vmfs').catch(() => {}));
  const vmware = scope.use('VMware rig', await startVmwareRig(join(dir, 'vmware')));
  for (const applet of APPLETS) await symlink('/bin/busybox', join(dir, 'bin', applet));
  await symlink('/usr/bin/scp', join(dir, 'bin', 'scp'));
  const environment = `export PATH=/usr/sbin:/usr/bin:/sbin:/bin KIB_VMRUN_STATE='${vmware.state}' KIB_ESXI_STATE='${state}' KIB_ESXI_LEASES='${vmware.leases}'`;
  for (const [name, script] of Object.entries(COMMANDS)) {
    const text = `#!/bin/sh\n${environment}\nexec '${process.execPath}' '${fileURLToPath(script)}' "$@"\n`;
    await writeFile(join(dir, 'bin', name), text, { mode: 0o755 });
  }
  await writeFile(join(dir, 'bin/vmkload_mod'), `#!/bin/sh\necho loaded >'${state}/multiextent'\n`, { mode: 0o755 });
  const [enter = '', ...words] = vmware.within([
    'unshare',
    '--mount',
    'sh',
    fileURLToPath(new URL('rig.sh', import.meta.url)),
    dir,
  ]);
  const holder = spawn(enter, words, { stdio: ['pipe', 'pipe', 'inherit'] });
  scope.defer('mounts', async () => {
    holder.stdin.end();
    if (holder.exitCode === null) await new Promise<void>((resolve) => holder.once('close', () => resolve()));
  });
  await once(holder);
  const pid = deepest(holder);
  const inside: readonly [string, ...string[]] = ['/usr/bin/nsenter', '--target', String(pid), '--mount', '--net', '--wd=/'];
  const ssh = await startRigSshd({
    folder: join(dir, 'ssh'),
    inside,
    path: join(dir, 'bin'),
    lines: ['PasswordAuthentication no', ...sshdLines],
  });
  scope.defer('sshd', () => ssh.close());
  return {
    options: {
      host: '127.0.0.1',
      port: ssh.port,
      keyFile: ssh.keyFile,
      hostKey: ssh.hostKey,
      datastore: 'datastore1',
      reach: 'jump',
    },
    dir,
    keyFile: ssh.keyFile,
    datastore: join(dir, 'datastore1'),
    named(text) {
      const machines = readdirSync(join(state, 'inventory')).map((id) => readFileSync(join(state, 'inventory', id), 'utf8'));
      const files = ['datastore1', 'space'].flatMap((name) => filesBelow(join(dir, name)));
      return [...machines, ...files].filter((name) => name.includes(text));
    },
    within: (argv) => [...inside, ...argv],
    shell(command) {
      const [program, ...args] = [...inside, join(dir, 'bin/ash'), '-c', command];
      const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', env: { PATH: join(dir, 'bin') } });
      if (status !== 0) throw new Error(`${command}: ${stdout}${stderr}`);
      return stdout;
    },
    setGuestIpHack: (isOn) => writeFile(join(state, 'guest-ip-hack'), isOn ? '1' : '0'),
    unloadMultiextent: () => rm(join(state, 'multiextent'), { force: true }),
    async listenInside() {
      const [program, ...args] = [...inside, '/usr/sbin/sshd', '-D', '-e', '-o', 'ListenAddress=127.0.0.1:22', '-f', ssh.config];
      const daemon = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
      scope.defer('sshd inside', () => {
        daemon.kill('SIGTERM');
      });
      await new Promise<void>((resolve, reject) => {
        daemon.stderr.on('data', (chunk: Buffer) => {
          if (chunk.toString().includes('Server listening')) resolve();
        });
        daemon.once('close', () => reject(new Error('sshd ended')));
      });
      return { host: '127.0.0.1', port: 22 };
    },
    connections: ssh.connections,
    drop: () => ssh.drop(),
    [Symbol.asyncDispose]: () => scope[Symbol.asyncDispose](),
  };
}

/** Waits for the first word of a process. */
async function once(child: ChildProcess): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    child.stdout?.once('data', () => resolve());
    child.once('close', () => reject(new Error('the namespace of the ESXi rig ended')));
  });
}

/** `ip netns exec` and `unshare` become the program they start, so it is the child itself. */
function deepest({ pid }: ChildProcess): number {
  if (pid === undefined) throw new Error('the namespace of the ESXi rig did not start');
  return pid;
}
