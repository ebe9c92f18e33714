import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { guestinfoSeed } from '../../cloudinit/index.ts';
import { findProgram } from '../../src/io/programs.ts';
import { filesBelow, processesWith } from '../support/leftovers.ts';
import { isLeftOut } from '../support/long.ts';
import { kibWithin } from '../support/program.ts';
import { packerBuild } from '../support/vmware/packer.ts';
import { startVmwareRig, type VmwareRig } from '../support/vmware/rig.ts';

const rpctool = fileURLToPath(new URL('../support/vmware/rpctool', import.meta.url));

// The hypervisor is QEMU behind a vmrun of ours; the second test lets Packer judge that vmrun.
describe.skipIf(isLeftOut('a whole build on the VMware rig, and Packer’s'))('a build on VMware Workstation’s interface', () => {
  let dir: string;
  let rig: VmwareRig;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'kib-vmware-'));
    rig = await startVmwareRig(dir);
  });
  afterAll(async () => {
    await rig[Symbol.asyncDispose]();
    await rm(dir, { recursive: true, force: true });
  });

  const state = () => ({
    XDG_STATE_HOME: join(dir, 'state-home'),
    XDG_CACHE_HOME: process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'),
  });

  it('makes an OVA that boots, and keeps a virtual machine to start by hand', async () => {
    const image = join(dir, 'image.yaml');
    await writeFile(
      image,
      `image: debian13
base: bootstrap
driver:
  name: vmware
  vmrun: ${rig.vmrun}
  leases: [${rig.leases}]
  slowness: 8
  keepIn: ${join(dir, 'kept')}
firmware: bios
disk: 6GiB
formats: [ova]
without: [node, containerd, cni, kubernetes, guest-agent, cloud-init, prepull, providers, network-manager]
provision:
  - shell: test "$(systemd-detect-virt)" = vmware && test -d /sys/bus/pci/drivers/vmxnet3 && test -d /sys/bus/pci/drivers/vmw_pvscsi
    name: the hardware is VMware’s
  - file: ${rpctool}
    to: /usr/bin/vmware-rpctool
    mode: "0755"
  - shell: |
      echo 'datasource_list: [NoCloud, VMware]' >/etc/cloud/cloud.cfg.d/99-sources.cfg
`,
    );
    const started = Date.now();
    const built = kibWithin((argv) => rig.within(argv), ['build', image, '--output-dir', join(dir, 'output'), '--json'], state());
    console.log(`build, export and verdict on the VMware rig: ${Math.round((Date.now() - started) / 1000)} s`);
    expect(built.status, built.stderr).toBe(0);
    expect((await readdir(join(dir, 'output/debian13'))).sort()).toEqual([
      'debian13.ova',
      'debian13.ova.sha256',
      'manifest.json',
    ]);
    const [vmx = ''] = (await readdir(join(dir, 'kept'))).filter((name) => name.endsWith('.vmx'));
    const settings = await readFile(join(dir, 'kept', vmx), 'utf8');
    expect(settings).toContain('scsi0:0.fileName = "disk.vmdk"');
    expect(settings).not.toMatch(/guestinfo|seed\.iso|serial0|generatedAddress/);
    expect(processesWith(dir).filter((line) => line.includes('qemu-system'))).toEqual([]);
    expect(filesBelow(rig.state).filter((name) => /running|tools|\.lck/.test(name))).toEqual([]);
  });

  it('runs on a vmrun that HashiCorp Packer builds with too', async ({ skip }) => {
    if ((await findProgram('packer')) === undefined) skip('packer is not installed: apt-get install packer');
    const kept = join(dir, 'kept');
    const [vmx = ''] = (await readdir(kept)).filter((name) => name.endsWith('.vmx'));
    const key = join(dir, 'id');
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
    const userData = {
      users: [
        {
          name: 'packer',
          sudo: 'ALL=(ALL) NOPASSWD:ALL',
          shell: '/bin/bash',
          ssh_authorized_keys: [(await readFile(`${key}.pub`, 'utf8')).trim()],
        },
      ],
    };
    // In the encoding of the driver, so that its guestinfo seed is read by a real cloud-init here.
    const seed = guestinfoSeed({
      'user-data': `#cloud-config\n${JSON.stringify(userData)}\n`,
      'meta-data': 'instance-id: packer-1\nlocal-hostname: packer\n',
    });
    const template = {
      builders: [
        {
          type: 'vmware-vmx',
          source_path: join(kept, vmx),
          vm_name: 'packed',
          output_directory: join(dir, 'packed'),
          ssh_username: 'packer',
          ssh_private_key_file: key,
          ssh_timeout: '6m',
          shutdown_command: 'sudo systemctl poweroff',
          headless: true,
          disable_vnc: true,
          vmx_data: Object.fromEntries(Object.entries(seed).map(([name, value]) => [`guestinfo.${name}`, value])),
        },
      ],
      provisioners: [{ type: 'shell', inline: ['echo "data source: $(cloud-id)"', 'echo "virt: $(systemd-detect-virt)"'] }],
    };
    const said = await packerBuild(rig, template, dir);
    expect(said).toContain('data source: vmware');
    expect(said).toContain('virt: vmware');
    expect(said).toContain('Builds finished. The artifacts of successful builds are');
    expect(await readdir(join(dir, 'packed'))).toContain('packed.vmx');
  });
});
