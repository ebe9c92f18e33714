import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { processesWith } from '../support/leftovers.ts';
import { isLeftOut } from '../support/long.ts';
import { kibWithin } from '../support/program.ts';
import { startVmwareRig, type VmwareRig } from '../support/vmware/rig.ts';
import { LOGIN } from '../support/vsphere/fake.ts';
import { startVsphereRig, type VsphereRig } from '../support/vsphere/rig.ts';

// The vCenter is a fake of ours, judged by VMware's descriptions of its API; the machines behind it are QEMU.
describe.skipIf(isLeftOut('a whole build on the vSphere rig'))('a build on vSphere’s interface', () => {
  let dir: string;
  let vmware: VmwareRig;
  let vsphere: VsphereRig;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'kib-vsphere-'));
    vmware = await startVmwareRig(dir);
    vsphere = await startVsphereRig(vmware, join(dir, 'vcenter'));
  });
  afterAll(async () => {
    await vmware[Symbol.asyncDispose]();
    await rm(dir, { recursive: true, force: true });
  });

  it('makes an OVA that boots there', async () => {
    const image = join(dir, 'image.yaml');
    const settings = {
      image: 'debian13',
      base: 'bootstrap',
      driver: { name: 'vsphere', ...vsphere.options, password: { env: 'VSPHERE_PASSWORD' }, pollSeconds: 1, slowness: 8 },
      firmware: 'bios',
      disk: '6GiB',
      formats: ['ova'],
      without: [
        'node',
        'containerd',
        'cni',
        'kubernetes',
        'guest-agent',
        'cloud-init',
        'prepull',
        'providers',
        'network-manager',
      ],
      provision: [
        {
          shell:
            'test "$(systemd-detect-virt)" = vmware && test -d /sys/bus/pci/drivers/vmxnet3 && test -d /sys/bus/pci/drivers/vmw_pvscsi',
          name: 'the hardware is VMware’s',
        },
      ],
    };
    await writeFile(image, stringify(settings));
    const started = Date.now();
    const env = {
      XDG_STATE_HOME: join(dir, 'state-home'),
      XDG_CACHE_HOME: process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'),
      VSPHERE_PASSWORD: LOGIN.password,
    };
    const built = kibWithin((argv) => vmware.within(argv), ['build', image, '--output-dir', join(dir, 'output'), '--json'], env);
    console.log(`build, export and verdict on the fake vCenter: ${Math.round((Date.now() - started) / 1000)} s`);
    const report = await vsphere.end();
    if (!report.isValidated) console.warn('no exchange was validated: set KIB_VSPHERE_OPENAPI');
    expect(built.status, `${built.stderr}\n${built.stdout.slice(-4000)}`).toBe(0);
    expect((await readdir(join(dir, 'output/debian13'))).sort()).toEqual([
      'debian13.ova',
      'debian13.ova.sha256',
      'manifest.json',
    ]);
    expect(report.violations).toEqual([]);
    expect(report.leftovers).toEqual([]);
    expect(report.sessions).toBe(0);
    expect(built.stdout).not.toContain(LOGIN.password);
    expect(built.stderr).not.toContain(LOGIN.password);
    expect(processesWith(dir).filter((line) => line.includes('qemu-system'))).toEqual([]);
  });
});
