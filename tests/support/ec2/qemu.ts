import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../../src/io/process.ts';
import { BLOCK_BYTES } from './ebs.ts';
import type { Hypervisor } from './fake.ts';
import { portOf, startImds } from './imds.ts';
import type { FakeInstance } from './state.ts';

interface Running {
  readonly process: ChildProcess;
  readonly ended: Promise<void>;
}

/** Boots instances of the fake in QEMU, emulated, on an NVMe disk as EC2's own, with a metadata service that they get their user data from. */
export class QemuHypervisor implements Hypervisor {
  /** Disk images by the snapshot that an AMI is made of. */
  readonly snapshots = new Map<string, string>();
  /** How many machines were powered on. */
  started = 0;
  readonly #dir: string;
  readonly #raw = new Map<string, Promise<FileHandle>>();
  readonly #running = new Map<string, Running>();

  constructor(dir: string) {
    this.#dir = dir;
  }

  async start(instance: FakeInstance, image: { readonly snapshotId: string | undefined }, onOff: () => void): Promise<string> {
    const { signal } = new AbortController();
    const base = this.snapshots.get(image.snapshotId ?? '');
    if (base === undefined) throw new Error(`there is no disk of ${image.snapshotId}`);
    const dir = this.#folder(instance);
    await mkdir(dir, { recursive: true });
    const disk = join(dir, 'disk.qcow2');
    await run('qemu-img', ['create', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b', base, disk, `${instance.volume.gib}G`], {
      signal,
    });
    for (const { id, gib } of instance.moreVolumes) {
      await run('qemu-img', ['create', '-q', '-f', 'qcow2', join(dir, `${id}.qcow2`), `${gib}G`], { signal });
    }
    const imds = await startImds(instance);
    await writeFile(join(dir, 'console.log'), '');
    // Port 22 of an address of its own: an instance has a whole address.
    const address = `127.22.${Math.floor(this.started / 250)}.${(this.started++ % 250) + 2}`;
    const uuid = `ec2${randomUUID().slice(3)}`;
    const args = [
      ['-name', instance.id, '-machine', 'q35,accel=tcg', '-cpu', 'max', '-smp', '2', '-m', '1024'],
      ['-display', 'none', '-nodefaults', '-serial', `file:${join(dir, 'console.log')}`, '-qmp', 'stdio'],
      ['-drive', `if=none,id=disk,file=${disk},format=qcow2,cache=unsafe`],
      ['-device', `nvme,drive=disk,serial=${serial(instance.volume)},bootindex=0`],
      ...instance.moreVolumes.flatMap((volume) => [
        ['-drive', `if=none,id=${volume.id},file=${join(dir, `${volume.id}.qcow2`)},format=qcow2,cache=unsafe`],
        ['-device', `nvme,drive=${volume.id},serial=${serial(volume)}`],
      ]),
      // A link-local network, so that the address of the metadata service is in it.
      [
        '-netdev',
        `user,id=net,net=169.254.0.0/16,hostfwd=tcp:${address}:22-:22,guestfwd=tcp:169.254.169.254:80-cmd:nc 127.0.0.1 ${portOf(imds)}`,
      ],
      ['-device', 'virtio-net-pci,netdev=net'],
      // What guests know EC2 by (AWS: Identify EC2 Linux instances).
      ['-smbios', `type=1,manufacturer=Amazon EC2,product=${instance.type},uuid=${uuid},serial=${uuid}`],
      ['-device', 'virtio-rng-pci'],
    ].flat();
    const child = spawn('qemu-system-x86_64', args, { stdio: ['pipe', 'ignore', 'inherit'] });
    const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
    child.once('close', () => imds.close());
    this.#running.set(instance.id, { process: child, ended });
    child.stdin.on('error', () => {});
    child.stdin.write('{"execute":"qmp_capabilities"}\n');
    child.once('close', () => {
      if (instance.state === 'running') onOff();
    });
    return address;
  }

  async stop({ id }: FakeInstance): Promise<void> {
    const running = this.#running.get(id);
    running?.process.stdin?.write('{"execute":"system_powerdown"}\n');
    await running?.ended;
  }

  async remove(instance: FakeInstance): Promise<void> {
    const running = this.#running.get(instance.id);
    running?.process.kill('SIGKILL');
    await running?.ended;
    this.#running.delete(instance.id);
    await rm(this.#folder(instance), { recursive: true, force: true });
  }

  async snapshot(instance: FakeInstance, volumeId: string, snapshotId: string): Promise<void> {
    const { signal } = new AbortController();
    const target = join(this.#dir, `${snapshotId}.qcow2`);
    const disk = volumeId === instance.volume.id ? 'disk.qcow2' : `${volumeId}.qcow2`;
    await run('qemu-img', ['convert', '-O', 'qcow2', join(this.#folder(instance), disk), target], { signal });
    this.snapshots.set(snapshotId, target);
  }

  async write(snapshotId: string, gib: number, index: number, data: Buffer): Promise<void> {
    const path = join(this.#dir, `${snapshotId}.raw`);
    let file = this.#raw.get(snapshotId);
    if (file === undefined) {
      file = open(path, 'w').then(async (made) => {
        await made.truncate(gib * 1024 ** 3);
        return made;
      });
      this.#raw.set(snapshotId, file);
    }
    await (await file).write(data, 0, data.length, index * BLOCK_BYTES);
  }

  async complete(snapshotId: string): Promise<void> {
    await (await this.#raw.get(snapshotId))?.close();
    const target = join(this.#dir, `${snapshotId}.qcow2`);
    const { signal } = new AbortController();
    await run('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', join(this.#dir, `${snapshotId}.raw`), target], { signal });
    this.snapshots.set(snapshotId, target);
  }

  async console(instance: FakeInstance): Promise<Buffer> {
    return readFile(join(this.#folder(instance), 'console.log')).catch(() => Buffer.alloc(0));
  }

  #folder({ id }: FakeInstance): string {
    return join(this.#dir, id);
  }
}

/** What Nitro instances know a volume by: its id without the dash. */
function serial({ id }: { readonly id: string }): string {
  return id.replace('-', '');
}
