import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { amiOptionsSchema } from '../../../src/aws/options.ts';
import { MiB } from '../../../src/core/index.ts';
import { publishDisk } from '../../../src/publish/ami.ts';
import { BLOCK_BYTES } from '../../../src/publish/upload.ts';
import { FakeAws } from '../../support/ec2/fake.ts';
import { useFakeCredentials } from '../../support/ec2/rig.ts';
import { testContext } from '../../support/test-context.ts';
import { workspace } from '../../support/workspace.ts';

useFakeCredentials();

let aws: FakeAws;
let dir: string;
/** 40 MiB and a bit: data in the blocks 0, 3, 4 and the last, which is not whole. */
const DISK_BYTES = 40 * MiB + 1536;
const DATA = [0, 3, 4, 80];

beforeEach(async () => {
  aws = await FakeAws.start({ settleMs: 5, lagMs: 3 });
  const disk = Buffer.alloc(DISK_BYTES);
  for (const index of DATA) randomBytes(1024).copy(disk, index * BLOCK_BYTES + (index === 80 ? 0 : 1000));
  dir = await workspace({ 'disk.raw': disk });
});
afterEach(() => aws[Symbol.asyncDispose]());

function request(source: string, given: Record<string, unknown> = {}) {
  return {
    source: join(dir, source),
    place: { region: 'eu-central-1', endpoint: aws.endpoint },
    ami: amiOptionsSchema.parse({ name: 'published', ...given }),
    tags: {},
    pollMs: 10,
    parallel: 4,
  };
}

const puts = () => aws.calls.length;

describe('publish ami', () => {
  it.each([
    ['raw', 'disk.raw'],
    ['qcow2', 'disk.qcow2'],
    ['qcow2 called .img', 'cloud.img'],
    ['ova', 'disk.ova'],
    ['vmdk', 'disk.vmdk'],
  ])('sends a %s disk without its zero blocks', async (_what, file) => {
    if (file !== 'disk.raw') {
      const [name, options] =
        file.endsWith('.ova') || file.endsWith('.vmdk')
          ? ['disk.vmdk', ['-O', 'vmdk', '-o', 'subformat=streamOptimized']]
          : [file, ['-O', 'qcow2', '-c']];
      execFileSync('qemu-img', ['convert', '-f', 'raw', ...(options ?? []), 'disk.raw', name ?? ''], { cwd: dir });
      if (file.endsWith('.ova')) {
        await writeFile(join(dir, 'disk.ovf'), '<Envelope/>');
        execFileSync('tar', ['--format=ustar', '-cf', 'disk.ova', 'disk.ovf', 'disk.vmdk'], { cwd: dir });
      }
    }
    await using context = await testContext();
    const images = await publishDisk(request(file, { regions: ['us-east-1'] }), context);
    expect(images.map(({ location }) => location)).toEqual(['eu-central-1', 'us-east-1']);
    const [image] = aws.region().images.values();
    expect(image).toMatchObject({
      state: 'available',
      name: 'published',
      bootMode: 'uefi-preferred',
      imds: 'v2.0',
      architecture: 'x86_64',
    });
    const snapshot = aws.region().snapshots.get(image?.snapshotId ?? '');
    expect(snapshot).toMatchObject({ state: 'completed', gib: 1 });
    expect([...(snapshot?.blocks.keys() ?? [])].sort((a, b) => a - b)).toEqual(DATA);
    expect(context.journal.held).toEqual([]);
    await context.scope[Symbol.asyncDispose]();
    expect(aws.leftovers()).toHaveLength(4);
    expect(Object.keys(snapshot?.tags ?? {})).toEqual(['Name', 'kib-native:build']);
    expect(await readdir(join(context.dirs.cache, 'publish'))).toEqual([]);
  });

  it('sends what is in the blocks', async () => {
    await using context = await testContext();
    await publishDisk(request('disk.raw'), context);
    const raw = Buffer.concat([execFileSync('cat', [join(dir, 'disk.raw')], { maxBuffer: 2 ** 30 }), Buffer.alloc(BLOCK_BYTES)]);
    const [snapshot] = aws.region().snapshots.values();
    for (const index of DATA) {
      const block = raw.subarray(index * BLOCK_BYTES, (index + 1) * BLOCK_BYTES);
      expect(snapshot?.blocks.get(index)).toEqual(createHash('sha256').update(block).digest());
    }
  });

  it('goes on where it was cut off', async () => {
    let count = 0;
    const cache = join(dir, 'cache');
    await using first = await testContext({ cache });
    aws.onCall = (action) => {
      if (action === 'PutSnapshotBlock' && ++count === 3) first.abort();
    };
    await expect(publishDisk({ ...request('disk.raw'), parallel: 1 }, first)).rejects.toMatchObject({ code: 'KIB_CANCELLED' });
    await first.scope[Symbol.asyncDispose]();
    expect(first.journal.held).toEqual([]);
    const [pending] = aws.region().snapshots.values();
    expect(pending).toMatchObject({ state: 'pending' });
    const sent = pending?.blocks.size ?? 0;
    expect(sent).toBeGreaterThan(1);
    count = 0;
    aws.onCall = (action) => {
      if (action === 'PutSnapshotBlock') count++;
    };
    await using second = await testContext({ cache });
    const [image] = await publishDisk(request('disk.raw'), second);
    expect(image?.facts['snapshots']).toBe(pending?.id);
    // One may have arrived whose answer was not waited for.
    expect(count).toBeLessThanOrEqual(DATA.length - sent + 1);
    expect(aws.region().snapshots.size).toBe(1);
  });

  it('begins anew when the file was changed or the snapshot is gone', async () => {
    const cache = join(dir, 'cache');
    const cut = async (name: string) => {
      await using context = await testContext({ cache });
      aws.onCall = (action) => action === 'PutSnapshotBlock' && context.abort();
      await expect(publishDisk(request('disk.raw', { name }), context)).rejects.toMatchObject({ code: 'KIB_CANCELLED' });
      aws.onCall = () => {};
    };
    await cut('published');
    const [gone] = aws.region().snapshots.keys();
    aws.region().snapshots.clear();
    await using context = await testContext({ cache });
    const [image] = await publishDisk(request('disk.raw'), context);
    expect(image?.facts['snapshots']).not.toBe(gone);
    await cut('other');
    execFileSync('touch', ['-d', '2020-01-01', join(dir, 'disk.raw')]);
    await using again = await testContext({ cache });
    const [other] = await publishDisk(request('disk.raw', { name: 'other' }), again);
    const pending = [...aws.region().snapshots.values()].filter(({ state }) => state === 'pending');
    expect(pending.map(({ id }) => id)).not.toContain(other?.facts['snapshots']);
    expect(aws.region().snapshots.get(other?.facts['snapshots'] ?? '')?.blocks.size).toBe(DATA.length);
  });

  it('sends throttled blocks again', async () => {
    aws.faults.push({ action: 'PutSnapshotBlock', code: 'RequestThrottledException', status: 400, times: 2 });
    await using context = await testContext();
    expect(await publishDisk(request('disk.raw'), context)).toHaveLength(1);
  }, 60_000);

  it('leaves nothing when the snapshot is refused', async () => {
    await using context = await testContext();
    aws.faults.push({
      action: 'CompleteSnapshot',
      code: 'ValidationException',
      message: 'INVALID_CHANGED_BLOCKS_COUNT',
      times: 1,
    });
    await expect(publishDisk(request('disk.raw'), context)).rejects.toMatchObject({
      code: 'KIB_EC2',
      message: expect.stringContaining('ebs:CompleteSnapshot failed in eu-central-1: INVALID_CHANGED_BLOCKS_COUNT') as string,
    });
    await context.scope[Symbol.asyncDispose]();
    expect(aws.leftovers()).toEqual([]);
    expect(await readdir(join(context.dirs.cache, 'publish'))).toEqual([]);
  });

  it('leaves nothing when it cannot be registered', async () => {
    await using context = await testContext();
    aws.faults.push({ action: 'RegisterImage', code: 'InvalidParameterValue', times: 1 });
    await expect(publishDisk(request('disk.raw'), context)).rejects.toMatchObject({ code: 'KIB_EC2' });
    await context.scope[Symbol.asyncDispose]();
    expect(aws.leftovers()).toEqual([]);
  });

  it.each([
    ['nothing.raw', 'cannot read'],
    ['disk.zip', 'is no disk image by its name'],
    ['.', 'is not the folder of a build: it has no manifest.json'],
    ['empty.ova', 'is no OVA with a VMDK in it'],
  ])('refuses %s: %s', async (file, message) => {
    await writeFile(join(dir, 'disk.zip'), '');
    await writeFile(join(dir, 'empty.ova'), Buffer.alloc(10_240));
    await using context = await testContext();
    await expect(publishDisk(request(file), context)).rejects.toMatchObject({
      code: 'KIB_USAGE',
      message: expect.stringContaining(message) as string,
    });
    expect(puts()).toBe(0);
  });
});
