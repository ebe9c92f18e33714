import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { vmware } from '../../drivers/vmware/driver.ts';
import { datasourcesOf } from '../../recipes/providers/cloud-init.ts';
import { guestinfoActions } from '../../recipes/providers/guestinfo.ts';
import { type Action, GiB, MiB, type RecipeContext, type SeedFiles } from '../../src/core/index.ts';
import { changedBase, SHARED_CACHE, testBase } from '../support/boot-base.ts';
import { isLeftOut } from '../support/long.ts';
import { osOf } from '../support/plan.ts';
import { type TestContext, testContext } from '../support/test-context.ts';
import { noVmwareRig, startVmwareRig, type VmwareRig } from '../support/vmware/rig.ts';

const rpctool = fileURLToPath(new URL('../support/vmware/rpctool', import.meta.url));

/** What the recipe does to a system whose cloud-init is too old for guestinfo, here to one whose cloud-init must not look for it. */
const context: RecipeContext = {
  os: osOf('centos7'),
  arch: 'amd64',
  driver: 'vmware',
  formats: ['ova'],
  kubernetes: undefined,
  recipes: [],
};

/** What the guest tells once user data is through; cloud-init's last stage has the console. */
const TOLD = `
echo "written: $(cat /etc/from-user-data)"
echo "called: $(uname -n) by $(cloud-id)"
echo "unit: $(systemctl show --property=Result --value kib-guestinfo.service) $(systemctl is-enabled kib-guestinfo.service)"
echo "seed: $(cd /var/lib/cloud/seed/nocloud; stat --format='%a %n' . meta-data user-data network-config | tr '\\n' ' ')"
echo "network: $(ip -brief link show dev kib0)"
echo "before: $(systemctl show --property=After --value cloud-init-local.service | tr ' ' '\\n' | grep kib)"
echo "told: all"
`;

describe.skipIf(noVmwareRig !== undefined || isLeftOut('a boot on the VMware rig with a seed in guestinfo'))(
  `guestinfo for a cloud-init without datasource for it${noVmwareRig === undefined ? '' : `: ${noVmwareRig}`}`,
  () => {
    let dir: string;
    let rig: VmwareRig;
    let kib: TestContext;

    beforeAll(async () => {
      dir = await mkdtemp(join(tmpdir(), 'kib-guestinfo-'));
      rig = await startVmwareRig(dir);
      kib = await testContext({ cache: SHARED_CACHE });
    });
    afterAll(async () => {
      await kib[Symbol.asyncDispose]();
      await rig[Symbol.asyncDispose]();
      await rm(dir, { recursive: true, force: true });
    });

    /** The base with what the recipe writes, and the rig's rpctool. */
    async function prepared(): Promise<string> {
      const files = guestinfoActions(context).flatMap((action: Action) => (action.kind === 'file' ? [action] : []));
      const sources = datasourcesOf(['vmware'], context.os) ?? [];
      const unit = files.find(({ path }) => path.endsWith('.service'))?.path ?? '';
      const all = [
        ...files.map(({ path, text }) => ({ path, text, mode: '0100644' })),
        { path: '/usr/bin/vmware-rpctool', text: await readFile(rpctool, 'utf8'), mode: '0100755' },
        { path: '/etc/cloud/cloud.cfg.d/99-sources.cfg', text: `datasource_list: [${sources.join(', ')}]\n`, mode: '0100644' },
      ];
      const wants = '/etc/systemd/system/cloud-init-local.service.wants';
      const commands = [
        ...all.flatMap(({ path, mode }, index) => [
          `cd ${dirname(path)}`,
          `write file-${index} ${basename(path)}`,
          `sif ${basename(path)} mode ${mode}`,
        ]),
        `mkdir ${wants}`,
        `symlink ${wants}/${basename(unit)} ${unit}`,
      ];
      const texts = Object.fromEntries(all.map(({ text }, index) => [`file-${index}`, text]));
      return changedBase(await testBase(kib), dir, 'guestinfo', commands, texts);
    }

    it('is what the guest is configured by', async () => {
      const mac = '00:50:56:00:77:01';
      const seed: SeedFiles = {
        'meta-data': 'instance-id: guestinfo-1\nlocal-hostname: told-by-guestinfo\n',
        'user-data': `#cloud-config\n${JSON.stringify({
          write_files: [{ path: '/etc/from-user-data', content: 'by user data' }],
          runcmd: [TOLD],
        })}\n`,
        'network-config': JSON.stringify({
          version: 2,
          ethernets: { kib0: { match: { macaddress: mac }, 'set-name': 'kib0', dhcp4: true } },
        }),
      };
      const given = { vmrun: rig.vmrun, leases: [rig.leases], seed: 'guestinfo', slowness: 8 };
      const options = vmware.options.parse({ ...given, vmx: { 'ethernet0.addressType': 'static', 'ethernet0.address': mac } });
      const machine = {
        arch: 'amd64',
        firmware: 'bios',
        cpus: 2,
        memoryBytes: 1024 * MiB,
        diskBytes: 4 * GiB,
        x86Level: 1,
      } as const;
      const base = { path: await prepared(), format: 'raw' } as const;
      const started = Date.now();
      await using running = await vmware.launch({ name: 'guestinfo', machine, base, seed }, options, kib);
      const lines: string[] = [];
      for await (const line of running.console?.lines(AbortSignal.timeout(300_000)) ?? []) {
        lines.push(line);
        if (line.includes('told: all')) break;
      }
      console.log(`configured by guestinfo after ${Math.round((Date.now() - started) / 1000)} s`);
      const said = lines.slice(-80).join('\n');
      expect(said).toContain('written: by user data');
      expect(said).toContain('called: told-by-guestinfo by nocloud');
      expect(said).toContain('unit: success enabled');
      expect(said).toContain('seed: 700 . 600 meta-data 600 user-data 600 network-config');
      expect(said).toContain('before: kib-guestinfo.service');
      expect(said).toMatch(/network: kib0 /);
      expect(lines.some((line) => line.includes('kib-guestinfo: wrote meta-data, user-data, network-config'))).toBe(true);
    });
  },
);
