import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { fetchBase } from '../../src/engine/base/index.ts';
import { mirrorWorld } from '../support/mirror-world.ts';
import { makeQcow2, place, sign } from '../support/release-folder.ts';

const exec = promisify(execFile);
const { world, local, paths, imageBytes, stored } = mirrorWorld();

describe('what is not to be trusted', () => {
  it('a tampered image', async () => {
    const source = await local('rocky10');
    const image = await imageBytes(source);
    image[image.length - 1] = (image.at(-1) ?? 0) ^ 1;
    await writeFile(place(world.root, source.url), image);
    await expect(fetchBase(source, 'amd64', world.context)).rejects.toMatchObject({ code: 'KIB_DIGEST_MISMATCH' });
    expect(await stored()).toEqual([]);
    expect(paths().filter((path) => path.endsWith('.qcow2'))).toHaveLength(1);
  });

  it('a tampered checksum file, even when it fits a tampered image', async () => {
    const source = await local('ubuntu2404');
    const signature = join(world.root, 'releases/noble/release/SHA256SUMS.gpg');
    const genuine = await readFile(signature);
    await makeQcow2(place(world.root, source.url));
    await sign(source, world.root, world.stranger);
    await writeFile(signature, genuine);
    await expect(fetchBase(source, 'amd64', world.context)).rejects.toMatchObject({
      code: 'KIB_SIGNATURE',
      message: expect.stringContaining('the text is not what was signed') as string,
    });
    expect(paths().filter((path) => path.endsWith('.img'))).toEqual([]);
  });

  it('a list signed by somebody else', async () => {
    const source = await local('rocky10');
    await sign(source, world.root, world.stranger);
    await expect(fetchBase(source, 'amd64', world.context)).rejects.toMatchObject({ code: 'KIB_SIGNATURE' });
  });

  it('a list whose signature is missing', async () => {
    const source = await local('rocky10');
    world.faults['/pub/rocky/10/images/x86_64/CHECKSUM.asc'] = 'missing';
    await expect(fetchBase(source, 'amd64', world.context)).rejects.toMatchObject({
      code: 'KIB_SIGNATURE',
      message: expect.stringContaining('there is no signature at') as string,
    });
  });

  it('an image that makes QEMU read other files', async () => {
    const secret = join(world.root, 'secret');
    await writeFile(secret, 'x'.repeat(4096));
    const url = `${world.server.url}/evil.qcow2`;
    const evil = join(world.root, 'evil.qcow2');
    const variants = [
      ['-b', secret, '-F', 'raw'],
      ['-o', `data_file=${join(world.root, 'data')}`],
    ];
    for (const options of variants) {
      await exec('qemu-img', ['create', '-q', '-f', 'qcow2', ...options, evil, '1M']);
      const hex = createHash('sha256')
        .update(await readFile(evil))
        .digest('hex');
      const checksum = { kind: 'pinned', digest: { algorithm: 'sha256', hex } } as const;
      await expect(
        fetchBase({ kind: 'cloud-image', url, format: 'qcow2', checksum }, 'amd64', world.context),
      ).rejects.toMatchObject({
        code: 'KIB_BASE_INVALID',
        message: expect.stringContaining('a base must stand alone') as string,
      });
      await expect(fetchBase({ kind: 'file', path: evil, format: 'qcow2' }, 'amd64', world.context)).rejects.toMatchObject({
        code: 'KIB_BASE_INVALID',
      });
    }
  });

  it('an image that is gone', async () => {
    const source = await local('debian13');
    await rm(place(world.root, source.url));
    await expect(fetchBase(source, 'amd64', world.context)).rejects.toMatchObject({
      code: 'KIB_HTTP',
      message: expect.stringContaining('is no longer there') as string,
      hint: expect.stringContaining('base: latest') as string,
    });
  });
});

describe('a file of this host', () => {
  it('is read where it lies', async () => {
    const path = join(world.root, 'base.qcow2');
    await makeQcow2(path);
    const source = { kind: 'file', path, format: 'qcow2' } as const;
    const hex = createHash('sha256')
      .update(await readFile(path))
      .digest('hex');
    const digest = { algorithm: 'sha256', hex } as const;
    const base = await fetchBase({ ...source, digest }, 'amd64', world.context);
    expect(base).toMatchObject({ path, sha256: hex, facts: { trust: 'pinned digest' } });
    expect(await stored()).toEqual([]);
    const wrong = { algorithm: 'sha256', hex: '0'.repeat(64) } as const;
    await expect(fetchBase({ ...source, digest: wrong }, 'amd64', world.context)).rejects.toMatchObject({
      code: 'KIB_DIGEST_MISMATCH',
    });
  });

  it('is read again only when it was touched', async () => {
    const path = join(world.root, 'base.qcow2');
    await makeQcow2(path);
    const source = { kind: 'file', path, format: 'qcow2' } as const;
    const reads = async (): Promise<[sha256: string, wasRead: boolean]> => {
      const before = world.context.events.length;
      const { sha256 } = await fetchBase(source, 'amd64', world.context);
      return [sha256, world.context.events.slice(before).some((event) => event.type === 'span.progress')];
    };
    const [first] = await reads();
    expect(await reads()).toEqual([first, false]);
    const image = await readFile(path);
    image[image.length - 1] = (image.at(-1) ?? 0) ^ 1;
    await writeFile(path, image);
    const second = createHash('sha256').update(image).digest('hex');
    expect(await reads()).toEqual([second, true]);
    expect(await reads()).toEqual([second, false]);
    const digest = { algorithm: 'sha512', hex: createHash('sha512').update(image).digest('hex') } as const;
    expect((await fetchBase({ ...source, digest }, 'amd64', world.context)).facts['trust']).toBe('pinned digest');
  });

  it('of another format, damaged or missing is refused', async () => {
    const path = join(world.root, 'base.qcow2');
    await makeQcow2(path);
    const refused = (problem: string) => ({ code: 'KIB_BASE_INVALID', message: expect.stringContaining(problem) as string });
    await expect(fetchBase({ kind: 'file', path, format: 'raw' }, 'amd64', world.context)).rejects.toMatchObject(
      refused('want the format raw, got qcow2'),
    );
    const cut = join(world.root, 'cut.qcow2');
    await writeFile(cut, (await readFile(path)).subarray(0, 20));
    await expect(fetchBase({ kind: 'file', path: cut, format: 'qcow2' }, 'amd64', world.context)).rejects.toMatchObject(
      refused('qemu-img'),
    );
    await expect(fetchBase({ kind: 'file', path: world.root, format: 'raw' }, 'amd64', world.context)).rejects.toMatchObject(
      refused('not a regular file'),
    );
    await expect(fetchBase({ kind: 'file', path: `${path}.gone`, format: 'raw' }, 'amd64', world.context)).rejects.toMatchObject(
      refused('ENOENT'),
    );
  });
});
