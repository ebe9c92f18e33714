import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect } from 'vitest';
import { vsphere } from '../../../drivers/vsphere/driver.ts';
import type { VsphereOptions } from '../../../drivers/vsphere/options.ts';
import {
  type LaunchRequest,
  MiB,
  type PublishedImages,
  type RemoteBase,
  type RemoteDisk,
  type RunningMachine,
  type StoppedMachine,
} from '../../../src/core/index.ts';
import { convert } from '../../../src/io/qemu-img.ts';
import { testSubject } from '../subject.ts';
import type { TestContext } from '../test-context.ts';
import { FakeVcenter } from './fake.ts';
import type { Machine } from './machines.ts';
import { openApi } from './openapi.ts';
import { memoryRunner, type Runner } from './runner.ts';

const api = openApi();
if (typeof api === 'string') console.warn(`exchanges with the fake vCenter are not validated: ${api}`);

export const MACHINE: LaunchRequest['machine'] = {
  arch: 'amd64',
  firmware: 'bios',
  cpus: 3,
  memoryBytes: 513 * MiB,
  diskBytes: 16 * MiB,
  x86Level: 1,
};
export const SEED = { 'user-data': '#cloud-config\n{}\n', 'meta-data': 'instance-id: i-1\nlocal-hostname: node\n' };

interface FakeKind {
  readonly runner?: Runner;
  readonly version?: string;
}

/** A fake vCenter for each test, whose exchanges all have to be as VMware describes them. Nothing but disks stands behind its machines. */
export class VsphereContract {
  dir = '';
  #fake: FakeVcenter | undefined;
  #options: VsphereOptions | undefined;

  get fake(): FakeVcenter {
    if (this.#fake === undefined) throw new Error('there is no vCenter outside of tests');
    return this.#fake;
  }

  get options(): VsphereOptions {
    return this.#options ?? vsphere.options.parse(this.fake.options);
  }

  get request(): LaunchRequest {
    return { name: 'test', machine: MACHINE, base: { path: this.#base, format: 'raw' }, seed: SEED };
  }

  get images() {
    const { images } = vsphere;
    if (images === undefined) throw new Error('the driver keeps no images');
    return images;
  }

  get #base(): string {
    return join(this.dir, 'base.raw');
  }

  readonly remains = (): readonly string[] => this.fake.leftovers();

  async begin(): Promise<void> {
    await writeFile(this.#base, Buffer.alloc(8 * MiB, 'base of the test '));
    await this.restart();
  }

  /** Another vCenter instead of the one there is. */
  async restart(kind: FakeKind = {}, given: Readonly<Record<string, unknown>> = {}): Promise<void> {
    await this.#fake?.[Symbol.asyncDispose]();
    const validated = typeof api === 'string' ? undefined : api;
    this.#fake = await FakeVcenter.start({
      dir: await mkdtemp(join(this.dir, 'vc-')),
      runner: memoryRunner(),
      openApi: validated,
      ...kind,
    });
    this.use(given);
  }

  /** Other options of the driver. */
  use(given: Readonly<Record<string, unknown>>): void {
    this.#options = vsphere.options.parse({ ...this.fake.options, ...given });
  }

  launch(context: TestContext, request = this.request): Promise<RunningMachine> {
    return vsphere.launch(request, this.options, context);
  }

  async sealed(
    context: TestContext,
    request = this.request,
  ): Promise<{ readonly stopped: StoppedMachine; readonly disk: RemoteDisk }> {
    const machine = await this.launch(context, request);
    const stopped = await machine.shutdown({ graceMs: 10_000, signal: context.signal });
    return { stopped, disk: (await stopped.seal()) as RemoteDisk };
  }

  publish(disk: RemoteDisk, context: TestContext): Promise<PublishedImages> {
    return this.images.publish(disk, 'template', testSubject({ machine: MACHINE }), this.options, context);
  }

  find(name: string, context: TestContext): Promise<RemoteBase> {
    return this.images.findBase({ kind: 'template', name }, MACHINE, this.options, context);
  }

  /** A machine of the inventory that nobody of ours made. */
  async deployed(name: string, more: { readonly isTemplate?: boolean } = {}): Promise<Machine> {
    const { machines } = this.fake.world;
    const made = await machines.create(name, { network: 'network-1', cpus: 1, memoryMiB: 256 }, (path) => this.#vmdk(path));
    made.isTemplate = more.isTemplate ?? false;
    return made;
  }

  /** An OVF of the library that asks for user data, as cloud images for vSphere do. */
  async ovfWithProperties(name: string, context: TestContext): Promise<void> {
    const { library, machines } = this.fake.world;
    const item = await machines.capture((await this.deployed(`${name}-source`)).id, 'lib-1', name);
    const path = join(library.folderOf(item.id), item.files.find((file) => file.endsWith('.ovf')) ?? '');
    const { readFile } = await import('node:fs/promises');
    const text = await readFile(path, 'utf8');
    const property = '<Property ovf:key="user-data" ovf:type="string" ovf:userConfigurable="true" ovf:value=""/>';
    await writeFile(path, text.replace('</VirtualSystem>', `<ProductSection>${property}</ProductSection></VirtualSystem>`));
    context.span.note(`${name} has a property`);
  }

  async end(): Promise<readonly unknown[]> {
    await this.#fake?.[Symbol.asyncDispose]();
    const violations = this.#fake?.violations ?? [];
    this.#fake = undefined;
    return violations;
  }

  async #vmdk(target: string): Promise<void> {
    const { signal } = new AbortController();
    await convert({ source: { path: this.#base, format: 'raw' }, target, targetFormat: 'vmdk', signal });
  }
}

/** For the tests of a `describe`. */
export function vsphereContract(): VsphereContract {
  const rig = new VsphereContract();
  const { TMPDIR } = process.env;
  beforeEach(async () => {
    rig.dir = await mkdtemp(join(TMPDIR ?? '/tmp', 'kib-vsphere-'));
    // A temporary folder of our own shows everything that is left in it, and nothing of others.
    process.env['TMPDIR'] = join(rig.dir, 't');
    await mkdir(join(rig.dir, 't'));
    await rig.begin();
  });
  afterEach(async () => {
    const violations = await rig.end();
    if (TMPDIR === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = TMPDIR;
    await rm(rig.dir, { recursive: true, force: true });
    expect(violations).toEqual([]);
  });
  return rig;
}
