import { execFileSync, spawn } from 'node:child_process';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MiB } from '../../src/core/index.ts';
import type { Extent } from '../../src/io/nbd.ts';
import { type OpenDisk, withDisk } from '../../src/io/nbd-disk.ts';
import { create, type DiskFile } from '../../src/io/qemu-img.ts';
import { processesWith } from '../support/leftovers.ts';
import { root } from '../support/program.ts';
import { type TestContext, testContext } from '../support/test-context.ts';

const { signal } = new AbortController();

async function mapOf({ connection, bytes }: OpenDisk): Promise<readonly Extent[]> {
  const found: Extent[] = [];
  for (let offset = 0; offset < bytes; ) {
    const extents = await connection.extents(offset, bytes - offset);
    found.push(...extents);
    offset = (extents.at(-1)?.offset ?? 0) + (extents.at(-1)?.bytes ?? bytes);
  }
  return found;
}

describe('a disk served by qemu-nbd', () => {
  let context: TestContext;
  let raw: DiskFile;
  let chain: DiskFile;
  beforeEach(async () => {
    context = await testContext();
    // A name that QEMU would take for a protocol.
    raw = { path: join(context.root, 'json:base, 1.img'), format: 'raw' };
    await writeFile(raw.path, Buffer.concat([Buffer.alloc(MiB, 1), Buffer.alloc(MiB), Buffer.alloc(MiB, 3)]));
    chain = { path: join(context.root, 'top.qcow2'), format: 'qcow2' };
    await create({ path: chain.path, format: 'qcow2', bytes: 64 * MiB, backing: raw }, signal);
    execFileSync('qemu-io', ['-f', 'qcow2', '-c', 'write -P 9 40M 64k', '-c', 'write -z 2M 512k', chain.path]);
  });
  afterEach(async () => {
    expect(processesWith(context.root)).toEqual([]);
    expect(context.journal.held).toEqual([]);
    expect(context.scope.held).toEqual([]);
    expect((await readdir(tmpdir())).filter((name) => name.startsWith(`kib-${context.buildId}`))).toEqual([]);
    await context[Symbol.asyncDispose]();
  });

  it('has the content of its whole chain, and knows its holes', async () => {
    await withDisk(chain, context, async (disk) => {
      expect(disk.bytes).toBe(64 * MiB);
      const data = (await mapOf(disk)).filter(({ isZero }) => !isZero);
      const inside = (offset: number): boolean =>
        data.some((extent) => offset >= extent.offset && offset < extent.offset + extent.bytes);
      expect([0, 2.5 * MiB, 40 * MiB].map(inside)).toEqual([true, true, true]);
      expect([2 * MiB, 3 * MiB, 30 * MiB, 40 * MiB + 65_536, 64 * MiB - 1].map(inside)).toEqual([
        false,
        false,
        false,
        false,
        false,
      ]);
      // All at once, across borders, and single bytes.
      const wanted = [
        [MiB - 10, 20, [...Array<number>(10).fill(1), ...Array<number>(10).fill(0)]],
        [2.5 * MiB - 1, 2, [0, 3]],
        [40 * MiB - 1, 3, [0, 9, 9]],
        [64 * MiB - 1, 1, [0]],
      ] as const;
      const read = await Promise.all(
        wanted.map(async ([offset, bytes]) => {
          const target = Buffer.alloc(bytes, 77);
          await disk.connection.read(offset, target);
          return [...target];
        }),
      );
      expect(read).toEqual(wanted.map(([, , bytes]) => bytes));
    });
  });

  it('can be opened by several at once', async () => {
    const sizes = await Promise.all(
      [raw, chain, chain].map((file) => withDisk(file, context, ({ bytes }) => Promise.resolve(bytes))),
    );
    expect(sizes).toEqual([3 * MiB, 64 * MiB, 64 * MiB]);
  });

  it('opens a disk inside another file', async () => {
    const inside: DiskFile = { ...raw, offset: MiB - 512, bytes: 1024 };
    await withDisk(inside, context, async ({ bytes, connection }) => {
      expect(bytes).toBe(1024);
      const target = Buffer.alloc(1024);
      await connection.read(0, target);
      expect(target).toEqual(Buffer.concat([Buffer.alloc(512, 1), Buffer.alloc(512)]));
    });
  });

  it('refuses to read beyond its end, and goes on', async () => {
    await withDisk(raw, context, async ({ connection }) => {
      await expect(connection.read(3 * MiB, Buffer.alloc(512))).rejects.toThrow(/could not read at 3145728: error 22/);
      await connection.read(0, Buffer.alloc(512));
    });
  });

  it('says why an image cannot be opened', async () => {
    const work = (): Promise<void> => Promise.reject(new Error('not reached'));
    const missing = { ...chain, path: join(context.root, 'missing.qcow2') };
    await expect(withDisk(missing, context, work)).rejects.toThrow(/^qemu-nbd exited with 1: [^]*No such file or directory/);
    await expect(withDisk({ ...raw, format: 'qcow2' }, context, work)).rejects.toThrow(/not in qcow2 format/);
  });

  it('ends when the work fails, and when it is aborted', async () => {
    await expect(withDisk(chain, context, () => Promise.reject(new Error('enough')))).rejects.toThrow('enough');
    expect(processesWith(context.root)).toEqual([]);
    let server: readonly string[] = [];
    const aborted = withDisk(chain, context, async ({ connection }) => {
      server = processesWith(context.root);
      const reading = connection.read(0, Buffer.alloc(MiB));
      context.abort(new Error('Ctrl-C'));
      await reading;
      await connection.read(0, Buffer.alloc(MiB));
    });
    await expect(aborted).rejects.toMatchObject({ code: 'KIB_CANCELLED' });
    expect(server).toHaveLength(1);
  });

  it('fails what is being read when the server is killed', async () => {
    const killed = withDisk(chain, context, async ({ connection }) => {
      process.kill(Number(processesWith(context.root)[0]?.split(' ')[0]), 'SIGKILL');
      for (;;) await connection.read(0, Buffer.alloc(MiB));
    });
    await expect(killed).rejects.toThrow(/closed the connection|ECONNRESET|EPIPE/);
  });

  it.skipIf(process.platform !== 'linux')('is gone soon after a builder that was killed', async () => {
    const folder = join(context.root, 'killed');
    await mkdir(folder);
    const script = `
      import { withDisk } from '${root}/src/io/nbd-disk.ts';
      import { testContext } from '${root}/tests/support/test-context.ts';
      const context = await testContext();
      await withDisk({ path: ${JSON.stringify(chain.path)}, format: 'qcow2' }, context, async () => {
        process.stdout.write('open');
        await new Promise((resolve) => setTimeout(resolve, 60_000));
      });`;
    await writeFile(join(folder, 'builder.mts'), script);
    const builder = spawn(process.execPath, ['--import', 'tsx', join(folder, 'builder.mts')], {
      cwd: root,
      env: { ...process.env, TMPDIR: folder },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise((resolve) => builder.stdout.once('data', resolve));
    const isServed = (): boolean => processesWith(chain.path).some((line) => line.includes('qemu-nbd'));
    expect(isServed()).toBe(true);
    builder.kill('SIGKILL');
    await expect.poll(isServed, { timeout: 5000 }).toBe(false);
  });
});
