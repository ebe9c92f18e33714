import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../../src/io/process.ts';
import type { VmwareRig } from './rig.ts';

/** Packer loops for ever where an answer is not what it hopes for. */
const LONGEST_MS = 900_000;

/** What the `vmware-vmx` builder of Packer 1.6 looks for of a Workstation beside vmrun. */
const PRODUCT = 'VMware Workstation 16.2.5 build-20904516';

/** Runs HashiCorp Packer with a template, on the rig: its vmrun, its leases and network where Workstation has them. Returns what it printed. */
export async function packerBuild(rig: VmwareRig, template: unknown, dir: string): Promise<string> {
  const bin = join(dir, 'bin');
  const etc = join(dir, 'etc');
  const lib = join(dir, 'lib');
  for (const folder of [
    bin,
    join(dir, 'etc-work'),
    join(dir, 'lib-work'),
    join(etc, 'vmware/vmnet8/dhcpd'),
    join(lib, 'vmware/bin'),
  ])
    await mkdir(folder, { recursive: true });
  const script = (path: string, body: string) => writeFile(path, `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  await script(join(bin, 'vmrun'), `exec '${rig.vmrun}' "$@"`);
  await script(join(bin, 'vmware'), `echo '${PRODUCT}'`);
  await script(join(bin, 'vmware-vdiskmanager'), 'exit 0');
  // Packer reads the version from standard error of `vmware-vmx -v`.
  await script(join(lib, 'vmware/bin/vmware-vmx'), `echo '${PRODUCT}' >&2`);
  const vmware = join(etc, 'vmware');
  await writeFile(join(vmware, 'license-ws-16.0-e5-202001'), '');
  await writeFile(
    join(vmware, 'netmap.conf'),
    'network0.name = "Bridged"\nnetwork0.device = "vmnet0"\nnetwork8.name = "NAT"\nnetwork8.device = "vmnet8"\n',
  );
  await writeFile(join(vmware, 'vmnet8/dhcpd/dhcpd.conf'), DHCPD_CONF);
  await writeFile(join(vmware, 'vmnet8/dhcpd/dhcpd.leases'), '');
  await writeFile(join(dir, 'template.json'), JSON.stringify(template));
  const [program = '', ...args] = rig.within([
    'unshare',
    '--mount',
    '--propagation',
    'private',
    'sh',
    '-euc',
    ENTER,
    'enter',
    dir,
    rig.leases,
  ]);
  const { stdout, exitCode } = await run(program, args, {
    signal: AbortSignal.timeout(LONGEST_MS),
    okCodes: [1],
    cwd: dir,
    env: { HOME: dir, CHECKPOINT_DISABLE: '1', PACKER_LOG: '0' },
  });
  // It says there, too, what went wrong.
  if (exitCode !== 0) throw new Error(stdout.slice(-4000));
  return stdout;
}

/** Only this process sees the files of Workstation. */
const ENTER = `
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$1/etc,workdir=$1/etc-work" /etc
mount -t overlay overlay -o "lowerdir=/usr/lib,upperdir=$1/lib,workdir=$1/lib-work" /usr/lib
mount --bind "$2" /etc/vmware/vmnet8/dhcpd/dhcpd.leases
PATH="$1/bin:$PATH" exec packer build -color=false template.json
`;

const DHCPD_CONF = `allow unknown-clients;
default-lease-time 1800;
max-lease-time 7200;
subnet 172.31.77.0 netmask 255.255.255.0 {
	range 172.31.77.128 172.31.77.254;
	option broadcast-address 172.31.77.255;
	option domain-name-servers 172.31.77.1;
	option routers 172.31.77.1;
}
host vmnet8 {
	hardware ethernet 00:50:56:C0:00:08;
	fixed-address 172.31.77.1;
}
`;
