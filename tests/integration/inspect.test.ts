import { copyFile, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Artifact, CheckResult } from '../../src/core/index.ts';
import { compareArtifacts } from '../../src/engine/compare.ts';
import { inspectDisk } from '../../src/engine/inspect/index.ts';
import { exporters } from '../../src/export/index.ts';
import { run } from '../../src/io/process.ts';
import { info } from '../../src/io/qemu-img.ts';
import { makeDisk, makeExt4, makeXfs, type Tree } from '../support/disks.ts';
import { testSubject } from '../support/subject.ts';
import { type TestContext, testContext } from '../support/test-context.ts';

const signal = new AbortController().signal;
const BUILD = { builder: 'kib', ships: [] };

const SEALED: Tree = {
  '/usr/lib/os-release': 'ID=test\n',
  '/etc/os-release': { link: '../usr/lib/os-release' },
  '/etc/passwd': 'root:x:0:0:root:/root:/bin/bash\n',
  '/etc/shadow': 'root:*:20000:0:99999:7:::\n',
  '/etc/group': 'root:x:0:\n',
  '/etc/machine-id': '',
  '/etc/hostname': 'localhost\n',
  '/etc/fstab': 'LABEL=root / auto defaults 0 1\n',
  '/etc/ssh/sshd_config': 'PermitRootLogin no\n',
  '/lib': { link: 'usr/lib' },
  '/root/.bashrc': '',
  '/var/lib/cloud/': '',
  '/var/tmp/': '',
};

/** What a build that forgot to seal leaves behind. */
const UNSEALED: Tree = {
  ...SEALED,
  '/etc/passwd': 'root:x:0:0:root:/root:/bin/bash\nkib:x:1000:1000::/home/kib:/bin/bash\n',
  '/etc/shadow': 'root:$y$j9T$salt$hash:20000:0:99999:7:::\nkib:!:20000::::::\n',
  '/etc/sudoers.d/90-cloud-init-users': 'kib ALL=(ALL) NOPASSWD:ALL\n',
  '/home/kib/.ssh/authorized_keys': 'ssh-ed25519 AAAA kib-native login\n',
  '/root/.bash_history': 'secret\n',
  '/etc/ssh/ssh_host_ed25519_key': 'PRIVATE\n',
  '/etc/machine-id': '0123456789abcdef0123456789abcdef\n',
  '/var/lib/systemd/random-seed': 'entropy',
  '/var/lib/cloud/instances/kib-1/sem/ssh': '',
  '/etc/netplan/50-cloud-init.yaml': 'macaddress: "52:54:00:12:34:56"\n',
  '/var/lib/dhcp/dhclient.leases': 'lease {}\n',
  '/etc/hostname': 'kib-build\n',
  '/etc/environment': 'http_proxy=http://proxy:3128\n',
  '/var/tmp/kib-0011': '',
  '/etc/fstab': 'LABEL=root / auto defaults 0 1\n/dev/vda2 none swap sw 0 0\n',
};

function artifact(path: string, bytes: number): Artifact {
  return { format: 'raw', path, bytes, sha256: '', disk: { format: 'raw', offset: 0, bytes } };
}

function failed(results: readonly CheckResult[]): readonly string[] {
  return results.filter(({ ok }) => !ok).map(({ name }) => name);
}

describe('inspectDisk', () => {
  let dir = '';
  let context: TestContext;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'kib-inspect-'));
    context = await testContext();
  });
  afterAll(async () => {
    await context[Symbol.asyncDispose]();
    await rm(dir, { recursive: true });
  });

  const makers = { ext4: makeExt4, xfs: makeXfs };

  async function disk(
    name: string,
    tree: Tree,
    type: keyof typeof makers = 'ext4',
    more: readonly string[] = [],
  ): Promise<Artifact> {
    const root = join(dir, `${name}.root`);
    const path = join(dir, `${name}.raw`);
    await makers[type](root, tree, dir);
    await makeDisk(path, [...more, root]);
    return artifact(path, (await stat(path)).size);
  }

  it.each(['ext4', 'xfs'] as const)('passes a sealed disk and finds everything on an unsealed one (%s)', async (type) => {
    const sealed = await inspectDisk(await disk('sealed', SEALED, type), BUILD, context);
    expect(failed(sealed)).toEqual([]);
    expect(sealed[0]).toMatchObject({ name: 'inspect/clean-file-systems', detail: `/ is ${type}` });
    const unsealed = await inspectDisk(await disk('unsealed', UNSEALED, type), BUILD, context);
    expect(failed(unsealed)).toEqual([
      'inspect/no-builder-account',
      'inspect/no-passwords',
      'inspect/no-builder-sudo',
      'inspect/no-user-keys',
      'inspect/no-histories',
      'inspect/no-host-keys',
      'inspect/no-machine-id',
      'inspect/no-random-seed',
      'inspect/no-cloud-init-state',
      'inspect/no-network-state',
      'inspect/no-dhcp-leases',
      'inspect/no-build-hostname',
      'inspect/no-proxies',
      'inspect/no-staging-files',
      'inspect/no-swap',
    ]);
    const ships = ['/etc/apt/apt.conf.d/90proxy'];
    const kept = await inspectDisk(
      await disk('kept', { ...SEALED, [ships[0] ?? '']: 'Acquire::http::Proxy "http://p";\n' }, type),
      { ...BUILD, ships },
      context,
    );
    expect(failed(kept)).toEqual([]);
    expect(unsealed.find(({ name }) => name === 'inspect/no-builder-account')?.detail).toBe(
      'found /etc/passwd has kib, /etc/shadow has kib, /home/kib',
    );
  });

  it('reads every exported format to the same verdict, and proves them equal', async () => {
    const source = await disk('formats', UNSEALED);
    const { virtualBytes } = await info({ path: source.path, format: 'raw' }, signal);
    const sealedDisk = { kind: 'file', path: source.path, format: 'raw', virtualBytes } as const;
    const artifacts: Artifact[] = [];
    for (const exporter of exporters) {
      artifacts.push(await exporter.export(sealedDisk, testSubject(), dir, exporter.options.parse({}), context));
    }
    const expected = failed(await inspectDisk(source, BUILD, context));
    for (const one of artifacts) expect(failed(await inspectDisk(one, BUILD, context))).toEqual(expected);
    expect(await readdir(context.dirs.work)).toEqual([]);
    const [first = source, ...others] = artifacts;
    const same = await compareArtifacts(first, others, context);
    expect(same.map(({ name, ok }) => [name, ok])).toEqual([
      ['inspect/raw-equals-qcow2', true],
      ['inspect/ova-equals-qcow2', true],
    ]);
    const other = await disk('other', SEALED);
    const [different] = await compareArtifacts(first, [other], context);
    expect(different).toMatchObject({ ok: false, detail: expect.stringMatching(/Content mismatch at offset \d+/) as string });
  });

  it('follows fstab to other file systems and refuses what it cannot find', async () => {
    const fstab = (spec: string, options = 'defaults'): Tree => ({
      ...SEALED,
      '/etc/fstab': `${spec} /var ext4 ${options} 0 2\n`,
    });
    const variable = join(dir, 'var.img');
    await makeExt4(variable, { '/lib/systemd/random-seed': 'entropy' }, dir, ['-L', 'var']);
    for (const spec of ['LABEL=var', 'PARTLABEL=p1', '/dev/vda1', '/dev/nvme0n1p1']) {
      const results = await inspectDisk(await disk('split', fstab(spec), 'ext4', [variable]), BUILD, context);
      expect(failed(results)).toEqual(['inspect/no-random-seed']);
    }
    await expect(inspectDisk(await disk('split', fstab('UUID=dead'), 'ext4', [variable]), BUILD, context)).rejects.toMatchObject({
      code: 'KIB_INSPECT',
      message: 'fstab mounts UUID=dead on /var, which cannot be read; the disk has partition 1: ext4, partition 2: ext4',
    });
    expect(
      failed(await inspectDisk(await disk('split', fstab('UUID=dead', 'nofail'), 'ext4', [variable]), BUILD, context)),
    ).toEqual([]);
  });

  it('says so when a file system was not unmounted', async () => {
    const root = join(dir, 'dirty.root');
    await makeExt4(root, SEALED, dir);
    await run('debugfs', ['-w', '-R', 'feature needs_recovery', root], { signal });
    const path = join(dir, 'dirty.raw');
    await makeDisk(path, [root]);
    const results = await inspectDisk(artifact(path, 0), BUILD, context);
    expect(results[0]).toMatchObject({
      ok: false,
      detail: 'found / (ext4): its journal holds changes that are not in place yet',
    });
  });

  it('warns of caches without refusing the image', async () => {
    await using own = await testContext();
    const cached = await disk('cached', { ...SEALED, '/var/lib/apt/lists/deb_InRelease': 'x' });
    const results = await inspectDisk(cached, BUILD, own);
    expect(failed(results)).toEqual([]);
    expect(own.events.flatMap((event) => (event.type === 'check' ? [event.result] : []))).toEqual(results);
    expect(own.events).toContainEqual(
      expect.objectContaining({
        type: 'warning',
        code: 'inspect/no-package-caches',
        message: expect.stringContaining('deb_InRelease') as string,
      }),
    );
  });

  it('never passes a disk it cannot read', async () => {
    const path = join(dir, 'text.qcow2');
    await writeFile(path, 'this is not a disk image');
    const broken: Artifact = { format: 'qcow2', path, bytes: 24, sha256: '', disk: { format: 'qcow2', offset: 0, bytes: 24 } };
    await expect(inspectDisk(broken, BUILD, context)).rejects.toMatchObject({
      code: 'KIB_INSPECT',
      hint: `qemu-img check ${path}`,
    });
    await expect(compareArtifacts(broken, [broken], context)).rejects.toMatchObject({ code: 'KIB_INSPECT' });
    const truncated = join(dir, 'truncated.raw');
    await copyFile((await disk('whole', SEALED)).path, truncated);
    await run('truncate', ['--size=3M', truncated], { signal });
    await expect(inspectDisk(artifact(truncated, 0), BUILD, context)).rejects.toMatchObject({ code: 'KIB_INSPECT' });
    expect(await readdir(context.dirs.work)).toEqual([]);
  });

  it('leaves nothing when it is interrupted', async () => {
    await using own = await testContext();
    const path = join(dir, 'abort.qcow2');
    await run('qemu-img', ['convert', '-O', 'qcow2', (await disk('abort', SEALED)).path, path], { signal });
    const image: Artifact = { format: 'qcow2', path, bytes: 0, sha256: '', disk: { format: 'qcow2', offset: 0, bytes: 0 } };
    const inspecting = inspectDisk(image, BUILD, own);
    own.abort(new Error('Ctrl-C'));
    await expect(inspecting).rejects.toMatchObject({ code: 'KIB_CANCELLED' });
    expect(await readdir(own.dirs.work)).toEqual([]);
    expect(own.journal.held).toEqual([]);
  });
});
