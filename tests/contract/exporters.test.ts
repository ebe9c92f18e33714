import { mkdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Artifact, digestFile, type FileFormat, MiB } from '../../src/core/index.ts';
import { exporters } from '../../src/export/index.ts';
import { run } from '../../src/io/process.ts';
import { compare, info } from '../../src/io/qemu-img.ts';
import { testSubject } from '../support/subject.ts';
import { type TestContext, testContext } from '../support/test-context.ts';
import { describeExporter, diskOf, makeSources, type SourceDisks } from './describe-exporter.ts';

const signal = new AbortController().signal;

const OPTION_SETS: Readonly<Record<FileFormat, Readonly<Record<string, unknown>>>> = {
  qcow2: { defaults: {}, zlib: { compression: 'zlib' }, uncompressed: { compression: 'none' } },
  raw: { defaults: {} },
  ova: { defaults: {} },
};

for (const exporter of exporters) describeExporter(exporter, OPTION_SETS[exporter.format]);

describe('formats', () => {
  let context: TestContext;
  let sources: SourceDisks;
  beforeAll(async () => {
    context = await testContext();
    sources = await makeSources(context.root);
  });
  afterAll(() => context[Symbol.asyncDispose]());

  async function exportAs(format: FileFormat, given: unknown, folder: string): Promise<Artifact> {
    const dir = join(context.root, folder);
    await mkdir(dir);
    const exporter = exporters.find((exporter) => exporter.format === format);
    if (exporter === undefined) throw new Error(`no exporter for ${format}`);
    return exporter.export(sources.chain, testSubject(), dir, exporter.options.parse(given), context);
  }

  it('qcow2 is compressed with zstd unless told otherwise, and stands alone', async () => {
    expect(await info(diskOf(await exportAs('qcow2', {}, 'zstd')), signal)).toMatchObject({
      compression: 'zstd',
      backing: undefined,
    });
    expect(await info(diskOf(await exportAs('qcow2', { compression: 'zlib' }, 'zlib')), signal)).toMatchObject({
      compression: 'zlib',
    });
    const plain = await stat((await exportAs('qcow2', { compression: 'none' }, 'plain')).path);
    expect(plain.size).toBeGreaterThan(3 * MiB);
    expect((await stat(join(context.root, 'zstd', 'debian13-kube-v1.36.1.qcow2'))).size).toBeLessThan(MiB);
  });

  it.each(['qcow2', 'raw'] as const)('%s has the same bytes every time', async (format) => {
    const [first, second] = [await exportAs(format, {}, `${format}-1`), await exportAs(format, {}, `${format}-2`)];
    expect(first.sha256).toBe(second.sha256);
  });

  it('raw is sparse', async () => {
    const artifact = await exportAs('raw', {}, 'sparse');
    const { size, blocks } = await stat(artifact.path);
    expect(size).toBe(48 * MiB);
    expect(blocks * 512).toBeLessThan(8 * MiB);
  });

  it('OVA is a ustar of descriptor, manifest and disk, whose digests hold', async () => {
    const artifact = await exportAs('ova', {}, 'ova');
    const { stdout: listed } = await run('tar', ['--list', '--file', artifact.path], { signal });
    const stem = 'debian13-kube-v1.36.1';
    expect(listed.trim().split('\n')).toEqual([`${stem}.ovf`, `${stem}.mf`, `${stem}-disk1.vmdk`]);
    const unpacked = join(context.root, 'unpacked');
    await mkdir(unpacked);
    await run('tar', ['--extract', '--file', artifact.path, '--directory', unpacked], { signal });
    const manifest = await readFile(join(unpacked, `${stem}.mf`), 'utf8');
    for (const name of [`${stem}.ovf`, `${stem}-disk1.vmdk`]) {
      expect(manifest).toContain(`SHA256(${name})= ${await digestFile(join(unpacked, name), 'sha256')}\n`);
    }
    const vmdk = { path: join(unpacked, `${stem}-disk1.vmdk`), format: 'vmdk' } as const;
    expect(await info(vmdk, signal)).toMatchObject({ vmdkType: 'streamOptimized', virtualBytes: 48 * MiB });
    expect(await compare(sources.chain, vmdk, signal)).toMatchObject({ identical: true });
    const ovf = await readFile(join(unpacked, `${stem}.ovf`), 'utf8');
    expect(ovf).toContain(`ovf:size="${(await stat(vmdk.path)).size}"`);
    expect(ovf).toContain(`ovf:capacity="${48 * MiB}"`);
    expect(Number(/populatedSize="(\d+)"/.exec(ovf)?.[1])).toBeGreaterThanOrEqual(4 * MiB);
  });
});
