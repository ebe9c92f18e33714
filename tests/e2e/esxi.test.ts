import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { guestinfoSeed } from '../../cloudinit/index.ts';
import type { CheckResult } from '../../src/core/index.ts';
import { findProgram } from '../../src/io/programs.ts';
import { packerBuildOnEsxi } from '../support/esxi/packer.ts';
import { type EsxiRig, noRig, startEsxiRig } from '../support/esxi/rig.ts';
import { processesWith } from '../support/leftovers.ts';
import { isLeftOut } from '../support/long.ts';
import { startKib } from '../support/program.ts';

const rpctool = fileURLToPath(new URL('../support/vmware/rpctool', import.meta.url));

// Commands and datastore are the tests', the SSH server and the guest real; the second test lets Packer judge the commands.
describe.skipIf(noRig !== undefined || isLeftOut('a whole build on the ESXi rig, and Packer’s'))(
  `a build on ESXi over SSH${noRig === undefined ? '' : `: ${noRig}`}`,
  () => {
    let dir: string;
    let rig: EsxiRig;

    beforeAll(async () => {
      dir = await mkdtemp(join(tmpdir(), 'kib-esxi-e2e-'));
      rig = await startEsxiRig();
    });
    afterAll(async () => {
      await rig?.[Symbol.asyncDispose]();
      await rm(dir, { recursive: true, force: true });
    });

    it('makes an OVA that boots, and leaves a machine to clone from', async () => {
      const image = join(dir, 'image.yaml');
      await writeFile(
        image,
        `image: debian13
base: bootstrap
driver: ${JSON.stringify({ name: 'esxi', ...rig.options, slowness: 8, keepAs: 'golden' })}
firmware: bios
disk: 4GiB
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
      const build = startKib(['build', image, '--output-dir', join(dir, 'output')], {
        XDG_STATE_HOME: join(dir, 'state-home'),
        XDG_CACHE_HOME: process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'),
      });
      const { status, stderr } = await build.ended;
      const log = build.events.flatMap((event) => (event.type === 'log' ? [event.line] : [])).slice(-40);
      expect(status, `${stderr}\n${log.join('\n')}`).toBe(0);
      const checks = build.events.flatMap((event): CheckResult[] => (event.type === 'check' ? [event.result] : []));
      expect(checks.length).toBeGreaterThan(5);
      expect(checks.filter(({ ok }) => !ok)).toEqual([]);
      const output = join(dir, 'output/debian13');
      expect((await readdir(output)).sort()).toEqual(['debian13.ova', 'debian13.ova.sha256', 'manifest.json']);
      const { phases } = JSON.parse(readFileSync(join(output, 'manifest.json'), 'utf8')) as {
        readonly phases: readonly { readonly name: string; readonly ms: number }[];
      };
      console.log(phases.map(({ name, ms }) => `${name}: ${(ms / 1000).toFixed(1)} s`).join('\n'));
      expect(readdirSync(join(rig.datastore, 'kib-native')).sort()).toEqual(['bases', 'golden']);
      expect(readdirSync(join(rig.datastore, 'kib-native/golden')).sort()).toEqual(['disk-flat.vmdk', 'disk.vmdk', 'golden.vmx']);
      expect(rig.shell('vim-cmd vmsvc/getallvms').trim().split('\n')).toHaveLength(2);
      expect(processesWith('/vmfs/volumes/').filter((line) => line.includes('qemu-system'))).toEqual([]);
    });

    it('speaks to commands that HashiCorp Packer builds with too', async ({ skip }) => {
      if ((await findProgram('packer')) === undefined) skip('packer is not installed: apt-get install packer');
      const key = join(dir, 'id');
      execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
      const user = {
        name: 'packer',
        sudo: 'ALL=(ALL) NOPASSWD:ALL',
        shell: '/bin/bash',
        ssh_authorized_keys: [(await readFile(`${key}.pub`, 'utf8')).trim()],
      };
      const seed = guestinfoSeed({
        'user-data': `#cloud-config\n${JSON.stringify({ users: [user] })}\n`,
        'meta-data': 'instance-id: packer-1\nlocal-hostname: packer\n',
      });
      const said = await packerBuildOnEsxi(
        rig,
        {
          source_path: 'kib-native/golden/golden.vmx',
          vm_name: 'packed',
          output_directory: 'packed',
          ssh_username: 'packer',
          ssh_private_key_file: key,
          ssh_timeout: '6m',
          shutdown_command: 'sudo systemctl poweroff',
          vmx_data: Object.fromEntries(Object.entries(seed).map(([name, value]) => [`guestinfo.${name}`, value])),
        },
        ['echo "data source: $(cloud-id)"', 'echo "virt: $(systemd-detect-virt)"'],
        dir,
      );
      expect(said).toContain('data source: vmware');
      expect(said).toContain('virt: vmware');
      expect(said).toContain('Builds finished. The artifacts of successful builds are');
      expect(readdirSync(join(rig.datastore, 'packed'))).toEqual(expect.arrayContaining(['packed.vmx']));
    });
  },
);
