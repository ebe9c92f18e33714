import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { writeSeedIso } from '../../../cloudinit/index.ts';
import { run } from '../../../src/io/process.ts';
import type { Hypervisor } from './fake.ts';
import type { FakeInstance } from './state.ts';

interface Running {
  readonly process: ChildProcess;
  readonly ended: Promise<void>;
}

/** Boots instances of the fake in QEMU, emulated, on an NVMe disk as EC2's own; user data goes to the guest on a NoCloud CD-ROM. */
export class QemuHypervisor implements Hypervisor {
  /** Disk images by the snapshot that an AMI is made of. */
  readonly snapshots = new Map<string, string>();
  /** How many machines were powered on. */
  started = 0;
  readonly #dir: string;
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
    const seed = {
      'user-data': userData(instance),
      'meta-data': `instance-id: ${instance.id}\nlocal-hostname: ${instance.id}\n`,
    };
    await writeSeedIso(seed, join(dir, 'seed.iso'), signal);
    await writeFile(join(dir, 'console.log'), '');
    // Port 22 of an address of its own: an instance has a whole address.
    const address = `127.22.${Math.floor(this.started / 250)}.${(this.started++ % 250) + 2}`;
    const args = [
      ['-name', instance.id, '-machine', 'q35,accel=tcg', '-cpu', 'max', '-smp', '2', '-m', '1024'],
      ['-display', 'none', '-nodefaults', '-serial', `file:${join(dir, 'console.log')}`, '-qmp', 'stdio'],
      ['-drive', `if=none,id=disk,file=${disk},format=qcow2,cache=unsafe`],
      ['-device', `nvme,drive=disk,serial=${instance.volume.id},bootindex=0`],
      ['-drive', `if=virtio,file=${join(dir, 'seed.iso')},format=raw,readonly=on`],
      ['-netdev', `user,id=net,hostfwd=tcp:${address}:22-:22`, '-device', 'virtio-net-pci,netdev=net'],
      ['-device', 'virtio-rng-pci'],
    ].flat();
    const child = spawn('qemu-system-x86_64', args, { stdio: ['pipe', 'ignore', 'inherit'] });
    const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
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

  async snapshot(instance: FakeInstance, snapshotId: string): Promise<void> {
    const { signal } = new AbortController();
    const target = join(this.#dir, `${snapshotId}.qcow2`);
    await run('qemu-img', ['convert', '-O', 'qcow2', join(this.#folder(instance), 'disk.qcow2'), target], { signal });
    this.snapshots.set(snapshotId, target);
  }

  async console(instance: FakeInstance): Promise<Buffer> {
    return readFile(join(this.#folder(instance), 'console.log')).catch(() => Buffer.alloc(0));
  }

  #folder({ id }: FakeInstance): string {
    return join(this.#dir, id);
  }
}

function userData({ userData: encoded }: FakeInstance): string {
  const bytes = Buffer.from(encoded, 'base64');
  return (bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes).toString();
}
