import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { guestinfoSeed } from '../../cloudinit/index.ts';
import type { BuildEvent } from '../../src/core/index.ts';
import { findProgram } from '../../src/io/programs.ts';
import { info } from '../../src/io/qemu-img.ts';
import { ownCacheHome } from '../support/boot-base.ts';
import { layersOf } from '../support/build-run.ts';
import { diffTrees, type ImageFiles, readImage } from '../support/image-tree.ts';
import { filesBelow, processesWith } from '../support/leftovers.ts';
import { isLeftOut } from '../support/long.ts';
import { kibWithin } from '../support/program.ts';
import { packerBuild } from '../support/vmware/packer.ts';
import { startVmwareRig, type VmwareRig } from '../support/vmware/rig.ts';

const rpctool = fileURLToPath(new URL('../support/vmware/rpctool', import.meta.url));
const { signal } = new AbortController();

// The hypervisor is QEMU behind a vmrun of ours; the last tests let Packer judge that vmrun.
describe.skipIf(isLeftOut('whole builds on the VMware rig, and Packer’s'))('a build on VMware Workstation’s interface', () => {
  let dir: string;
  let cache: string;
  let rig: VmwareRig;
  let cold: ImageFiles;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'kib-vmware-'));
    cache = ownCacheHome('vmware');
    rig = await startVmwareRig(dir);
  });
  afterAll(async () => {
    await rig[Symbol.asyncDispose]();
    for (const folder of [dir, cache]) await rm(folder, { recursive: true, force: true });
  });

  /** A build whose last step writes `marker`; its output is in `output-<marker>`. The rig leads to no package archive. */
  async function build(marker: string) {
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
formats: [ova, qcow2]
without: [node, containerd, cni, kubernetes, guest-agent, cloud-init, prepull, providers, network-manager]
recipes:
  first-boot: { scripts: [{ name: hello, shell: echo hello }], verifySeconds: 0 }
provision:
  - shell: test "$(systemd-detect-virt)" = vmware && test -d /sys/bus/pci/drivers/vmxnet3 && test -d /sys/bus/pci/drivers/vmw_pvscsi
    name: the hardware is VMware’s
  - file: ${rpctool}
    to: /usr/bin/vmware-rpctool
    mode: "0755"
  - shell: |
      echo 'datasource_list: [NoCloud, VMware]' >/etc/cloud/cloud.cfg.d/99-sources.cfg
  - shell: echo ${marker} >/etc/marker
`,
    );
    const env = { XDG_STATE_HOME: join(dir, 'state-home'), XDG_CACHE_HOME: cache };
    const started = Date.now();
    const args = ['build', image, '--output-dir', join(dir, `output-${marker}`), '--json'];
    const built = kibWithin((argv) => rig.within(argv), args, env);
    console.log(`build, exports and verdict on the VMware rig (${marker}): ${Math.round((Date.now() - started) / 1000)} s`);
    expect(built.status, built.stderr).toBe(0);
    const output = join(dir, `output-${marker}`, 'debian13');
    expect((await readdir(output)).sort()).toEqual(
      ['debian13.ova', 'debian13.ova.sha256', 'debian13.qcow2', 'debian13.qcow2.sha256', 'manifest.json'].sort(),
    );
    expect(processesWith(dir).filter((line) => line.includes('qemu-system'))).toEqual([]);
    expect(filesBelow(rig.state).filter((name) => /running|tools|\.lck/.test(name))).toEqual([]);
    const events = built.stdout
      .split('\n')
      .filter((line) => line.startsWith('{"v":'))
      .map((line) => JSON.parse(line) as BuildEvent);
    const texts = (path: string) => ['/etc/marker', '/var/lib/dpkg/status'].includes(path);
    return { events, image: await readImage(join(output, 'debian13.qcow2'), 'qcow2', texts, signal) };
  }

  /** Layers in the cache by name, each with what it consists of. */
  async function storedLayers(): Promise<Readonly<Record<string, readonly string[]>>> {
    const folder = join(cache, 'kib-native/layers');
    const keys = (await readdir(folder)).filter((name) => !name.startsWith('.'));
    const records = keys.map(async (key) => {
      const { name } = JSON.parse(await readFile(join(folder, key, 'layer.json'), 'utf8')) as { readonly name: string };
      return [name, filesBelow(join(folder, key)).filter((file) => /^(disk|memory)/.test(file))] as const;
    });
    return Object.fromEntries(await Promise.all(records));
  }

  /** How many machines the driver keeps to clone; nothing else is left beside them. */
  async function keptMachines(): Promise<number> {
    const names = await readdir(join(cache, 'kib-native/vmware'));
    expect(names.filter((name) => !/^[0-9a-f]{64}$/.test(name))).toEqual([]);
    return names.length;
  }

  it('makes an OVA that boots, keeps layers, and a virtual machine to start by hand', async () => {
    const { events, image } = await build('one');
    cold = image;
    expect(image.texts.get('/etc/marker')).toBe('one\n');
    const [vmx = ''] = (await readdir(join(dir, 'kept'))).filter((name) => name.endsWith('.vmx'));
    const settings = await readFile(join(dir, 'kept', vmx), 'utf8');
    expect(settings).toContain('scsi0:0.fileName = "disk.vmdk"');
    expect(settings).not.toMatch(/guestinfo|seed\.iso|serial0|generatedAddress/);
    expect((await readdir(join(dir, 'kept'))).sort()).toEqual(['disk.vmdk', vmx]);
    expect(layersOf({ events })).toEqual(['first-boot ok', 'provision ok']);
    const disk = ['disk.qcow2'];
    expect(await storedLayers()).toEqual({ boot: disk, 'first-boot': disk, provision: disk });
    expect(await keptMachines()).toBe(1);
  });

  it('starts on the disk of a layer when only the last step is another, and makes the same image but for that', async () => {
    await rename(join(dir, 'kept'), join(dir, 'kept-before'));
    const { events, image } = await build('two');
    expect(layersOf({ events })).toEqual(['first-boot cached', 'provision ok']);
    // The layer, besides the base.
    expect(await keptMachines()).toBe(2);
    // There is no memory to continue from. The verdict's boot has another name.
    const names = events.flatMap((event) => (event.type === 'span.start' ? [event.name] : []));
    expect(names.filter((name) => name === 'wait for the guest')).toHaveLength(1);
    expect(image.texts.get('/etc/marker')).toBe('two\n');
    expect(diffTrees(cold.tree, image.tree).map(({ path }) => path)).toEqual(['/etc/marker']);
    expect(image.texts.get('/var/lib/dpkg/status')).toBe(cold.texts.get('/var/lib/dpkg/status'));
  });

  it.for(['full', 'linked'])('runs on a vmrun that HashiCorp Packer builds with too, on a %s clone', async (type, { skip }) => {
    if ((await findProgram('packer')) === undefined) skip('packer is not installed: apt-get install packer');
    const kept = join(dir, 'kept');
    const [vmx = ''] = (await readdir(kept)).filter((name) => name.endsWith('.vmx'));
    const key = join(dir, `id-${type}`);
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
    const packed = join(dir, `packed-${type}`);
    const template = {
      builders: [
        {
          type: 'vmware-vmx',
          source_path: join(kept, vmx),
          linked: type === 'linked',
          vm_name: 'packed',
          output_directory: packed,
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
    const files = await readdir(packed);
    expect(files).toContain('packed.vmx');
    const [disk = ''] = files.filter((name) => name.endsWith('.vmdk'));
    const { backing } = await info({ path: join(packed, disk), format: 'vmdk' }, signal);
    expect(backing).toBe(type === 'linked' ? join(kept, 'disk.vmdk') : undefined);
  });
});
