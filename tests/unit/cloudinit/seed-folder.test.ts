import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { readSeedFolder } from '../../../cloudinit/index.ts';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kib-seed-folder-'));
});
afterAll(() => rm(dir, { recursive: true }));

describe('a seed in a folder', () => {
  it('is the example’s, whose data cloud-init can read', async () => {
    const seed = await readSeedFolder(fileURLToPath(new URL('../../../examples/cloudinit', import.meta.url)));
    expect(Object.keys(seed)).toEqual(['user-data', 'meta-data']);
    expect(seed['user-data']).toMatch(/^#cloud-config\n/);
    expect(parse(seed['user-data'])).toMatchObject({ users: [{ name: 'capv', lock_passwd: false }], ssh_pwauth: true });
    expect(parse(seed['meta-data'])).toMatchObject({ 'instance-id': 'kib-example-1' });
  });

  it('may have a network configuration, and must have the rest', async () => {
    await writeFile(join(dir, 'user-data'), '#cloud-config\n');
    await writeFile(join(dir, 'network-config'), 'version: 2\n');
    await expect(readSeedFolder(dir)).rejects.toMatchObject({
      code: 'KIB_HOST_PERMISSION',
      message: expect.stringContaining('meta-data: ENOENT') as string,
    });
    await writeFile(join(dir, 'meta-data'), 'instance-id: i-1\n');
    expect(await readSeedFolder(dir)).toEqual({
      'user-data': '#cloud-config\n',
      'meta-data': 'instance-id: i-1\n',
      'network-config': 'version: 2\n',
    });
  });
});
