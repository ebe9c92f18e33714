import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually } from '../process-state.ts';
import { startRigSshd } from '../rig-sshd.ts';

const NEEDED = [
  '/usr/sbin/libvirtd',
  '/usr/bin/virsh',
  '/usr/sbin/sshd',
  '/usr/sbin/dnsmasq',
  '/usr/sbin/ip',
  '/usr/bin/nsenter',
];

/** Why there can be no rig here; undefined when there can. */
export const noRig: string | undefined =
  userInfo().uid === 0
    ? NEEDED.filter((path) => !existsSync(path)).map((path) => `${path} is not installed`)[0]
    : 'only root can make the namespaces of the rig';

/**
 * A real libvirtd with its NAT network in namespaces of its own, behind a real sshd on a port of the loopback. Pools: `kib`; `small`, of
 * 1 MiB; `crowded`, with more room on paper than in truth; `idle`, not started. Networks: `default`; `idle`, not started.
 */
export interface LibvirtRig extends AsyncDisposable {
  readonly port: number;
  /** Options of the driver that lead there over SSH: pool `kib`, network `default`, emulation. */
  readonly options: Readonly<Record<string, string>>;
  /** The same over the daemon's socket, as on its own host. */
  readonly localOptions: Readonly<Record<string, string>>;
  /** Folder of pool `kib`. */
  readonly pool: string;
  /** Folder of everything. */
  readonly dir: string;
  /** Runs virsh in the rig; throws when it fails. */
  virsh(...args: readonly string[]): string;
  /** Names of domains and volumes that hold the text. */
  named(text: string): readonly string[];
  /**
   * Enters a lease for a domain, whose address is the bridge's own; the process that is returned listens on port 22 there and says `greeting` to
   * the first who comes.
   */
  lease(domain: string, greeting?: string): ChildProcess;
  /** SSH connections accepted so far. */
  readonly connections: () => number;
  /** Breaks every SSH connection. */
  drop(): void;
}

const POOLS = ['kib', 'small', 'crowded'];

const QEMU_CONF = `user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
security_default_confined = 0
namespaces = [ ]
cgroup_controllers = [ ]
stdio_handler = "file"
`;

/** Starts the rig; the caller disposes it, which ends every process of it. */
export async function startLibvirtRig(sshdLines: readonly string[] = []): Promise<LibvirtRig> {
  if (noRig !== undefined) throw new Error(noRig);
  const dir = await mkdtemp(join(tmpdir(), 'kib-rig-'));
  const etc = join(dir, 'etc');
  await mkdir(join(etc, 'qemu/networks'), { recursive: true });
  await writeFile(join(etc, 'qemu.conf'), QEMU_CONF);
  await writeFile(
    join(etc, 'libvirtd.conf'),
    `auth_unix_ro = "none"\nauth_unix_rw = "none"\nlog_outputs = "3:file:${join(dir, 'libvirtd.log')}"\n`,
  );
  await writeFile(join(etc, 'qemu/networks/default.xml'), readFileSync('/usr/share/libvirt/networks/default.xml'));
  const script = fileURLToPath(new URL('rig.sh', import.meta.url));
  const child = spawn('unshare', ['--net', '--mount', '--pid', '--fork', '--kill-child', 'sh', script, dir], {
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  let complaints = '';
  child.stderr.on('data', (chunk: Buffer) => {
    complaints += chunk.toString();
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const end = async (): Promise<void> => {
    // The first process of the namespaces takes all others with it.
    const first = firstChild(child);
    if (first !== undefined) process.kill(first, 'SIGKILL');
    child.kill('SIGKILL');
    await ended;
    await rm(dir, { recursive: true, force: true });
  };
  try {
    await eventually(() => {
      if (child.exitCode !== null) throw new Error(`the rig ended: ${complaints}`);
      return existsSync(join(dir, 'run/libvirt/libvirt-sock')) && firstChild(child) !== undefined;
    });
    return await furnish(dir, child, end, sshdLines);
  } catch (error) {
    await end();
    throw error;
  }
}

async function furnish(
  dir: string,
  child: ChildProcess,
  end: () => Promise<void>,
  sshdLines: readonly string[],
): Promise<LibvirtRig> {
  const inside = ['--target', String(firstChild(child)), '--mount', '--net', '--pid', '--wd=/'];
  const virsh = (...args: readonly string[]): string => {
    const { status, stdout, stderr } = spawnSync('nsenter', [...inside, 'virsh', '-q', '-c', 'qemu:///system', ...args], {
      encoding: 'utf8',
      env: { ...process.env, LC_ALL: 'C' },
    });
    if (status !== 0) throw new Error(`virsh ${args.join(' ')}: ${stderr}`);
    return stdout;
  };
  await eventually(() => {
    try {
      return virsh('uri') !== '';
    } catch {
      return false;
    }
  });
  const pool = join(dir, 'pool');
  await mkdir(pool);
  for (const [name, path] of [
    ['kib', pool],
    ['small', join(dir, 'small')],
    ['crowded', join(dir, 'crowded')],
  ] as const) {
    virsh('pool-define-as', name, 'dir', '--target', path);
    virsh('pool-start', name);
  }
  virsh('pool-define-as', 'idle', 'dir', '--target', join(dir, 'idle'));
  // Full, and libvirt has not looked again since it was not.
  spawnSync('nsenter', [...inside, 'fallocate', '-l', '7MiB', join(dir, 'crowded/filler')]);
  virsh('net-start', 'default');
  await writeFile(
    join(dir, 'idle.xml'),
    '<network><name>idle</name><ip address="192.168.150.1" netmask="255.255.255.0"/></network>',
  );
  virsh('net-define', join(dir, 'idle.xml'));
  const ssh = await startRigSshd({
    folder: join(dir, 'ssh'),
    inside: ['nsenter', ...inside],
    path: '/usr/sbin:/usr/bin:/sbin:/bin',
    lines: sshdLines,
  });
  const common = { pool: 'kib', domainType: 'qemu' };
  return {
    port: ssh.port,
    options: { ...common, uri: `qemu+ssh://root@127.0.0.1:${ssh.port}/system`, keyFile: ssh.keyFile, hostKey: ssh.hostKey },
    localOptions: { ...common, uri: `qemu:///system?socket=${join(dir, 'run/libvirt/libvirt-sock')}` },
    pool,
    dir,
    virsh,
    named(text) {
      const volumes = POOLS.flatMap((name) => virsh('vol-list', name).split('\n'));
      const names = [
        ...virsh('list', '--all', '--name').split('\n'),
        ...volumes.map((line) => line.trim().split(/\s+/)[0] ?? ''),
      ];
      return names.map((name) => name.trim()).filter((name) => name.includes(text));
    },
    lease(domain, greeting = '') {
      const mac = /([\da-f]{2}:){5}[\da-f]{2}/.exec(virsh('domiflist', domain))?.[0];
      // As libvirt's lease helper writes it.
      const leases = [{ 'ip-address': '192.168.122.1', 'mac-address': mac, 'expiry-time': 4_000_000_000 }];
      writeFileSync(join(dir, 'lib/dnsmasq/virbr0.status'), JSON.stringify(leases));
      const listener = spawn('nsenter', [...inside, 'nc', '-l', '192.168.122.1', '22'], { stdio: ['pipe', 'ignore', 'ignore'] });
      listener.stdin.write(greeting);
      return listener;
    },
    connections: ssh.connections,
    drop: () => ssh.drop(),
    async [Symbol.asyncDispose]() {
      await ssh.close();
      await end();
    },
  };
}

/** The process that the namespaces belong to. */
function firstChild({ pid }: ChildProcess): number | undefined {
  try {
    const [first] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
    return first === undefined || first === '' ? undefined : Number(first);
  } catch {
    return undefined;
  }
}
