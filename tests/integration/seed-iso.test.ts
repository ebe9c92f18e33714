import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writeSeedIso } from '../../cloudinit/iso.ts';
import { systemClock } from '../../src/core/index.ts';
import { run } from '../../src/io/process.ts';

const { signal } = new AbortController();
const files = {
  'user-data': '#cloud-config\nhostname: «tést»\n',
  'meta-data': 'instance-id: i-1\n',
  'network-config': 'version: 2\n',
};

describe('seed ISO', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'kib-iso-'));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  it('is what cloud-init looks for, by the judgement of blkid and isoinfo', async () => {
    const path = join(dir, 'seed.iso');
    await writeSeedIso(files, path, signal);
    const { stdout: probed } = await run('blkid', ['-o', 'export', '-p', path], { signal });
    expect(probed).toContain('LABEL=cidata\n');
    expect(probed).toContain('TYPE=iso9660\n');
    for (const extension of ['-R', '-J']) {
      const { stdout: names } = await run('isoinfo', [extension, '-f', '-i', path], { signal });
      expect(names.trim().split('\n').sort()).toEqual(['/meta-data', '/network-config', '/user-data']);
      const { stdout: text } = await run('isoinfo', [extension, '-x', '/user-data', '-i', path], { signal });
      expect(text).toBe(files['user-data']);
    }
  });

  it('is for its owner alone and leaves nothing beside it', async () => {
    const umask = process.umask(0);
    try {
      await writeSeedIso(files, join(dir, 'seed.iso'), signal);
    } finally {
      process.umask(umask);
    }
    expect((await stat(join(dir, 'seed.iso'))).mode & 0o777).toBe(0o600);
    expect(await readdir(dir)).toEqual(['seed.iso']);
  });

  it('has the same bytes for the same seed at another time', async () => {
    await writeSeedIso(files, join(dir, 'a.iso'), signal);
    // ISO 9660 counts hundredths, Rock Ridge whole seconds.
    await systemClock.sleep(1100);
    await writeSeedIso(files, join(dir, 'b.iso'), signal);
    expect((await readFile(join(dir, 'a.iso'))).equals(await readFile(join(dir, 'b.iso')))).toBe(true);
  });

  it('leaves no secret behind when it is aborted', async () => {
    const abort = new AbortController();
    const writing = writeSeedIso(files, join(dir, 'seed.iso'), abort.signal);
    abort.abort(new Error('enough'));
    await expect(writing).rejects.toMatchObject({ code: 'KIB_CANCELLED' });
    expect((await readdir(dir)).filter((name) => name !== 'seed.iso')).toEqual([]);
  });
});
