import { chmod, open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { COPIED, copyDisk } from '../../drivers/ec2/copy-disk.ts';
import { MiB, sh } from '../../src/core/index.ts';
import { CommandError, run } from '../../src/io/process.ts';
import { findProgram } from '../../src/io/programs.ts';
import { workspace } from '../support/workspace.ts';

const { signal } = new AbortController();
const tools = ['losetup', 'blockdev', 'dd', 'cmp'];
const isHere =
  process.getuid?.() === 0 && (await Promise.all(tools.map((name) => findProgram(name)))).every((path) => path !== undefined);

// Real block devices; only what would say which of them is the root disk, and freeze it, is played.
describe.skipIf(!isHere)('the script that copies a helper’s disk', () => {
  async function copy(source: number, target: number, shell: string) {
    const dir = await workspace();
    const paths = [join(dir, 'source.img'), join(dir, 'target.img')] as const;
    const data = Buffer.alloc(3 * MiB, 'data of the test ');
    for (const [index, bytes] of [source, target].entries()) {
      const file = await open(paths[index] ?? '', 'w');
      await file.truncate(bytes);
      if (index === 0) await file.write(data, 0, data.length, 5 * MiB);
      await file.close();
    }
    const attach = async (path: string) => (await run('losetup', ['--find', '--show', path], { signal })).stdout.trim();
    const disks = [await attach(paths[0]), await attach(paths[1])] as const;
    const log = join(dir, 'log');
    const play = async (name: string, body: string) => {
      await writeFile(join(dir, name), `#!/bin/sh\necho "${name} $*" >>${log}\n${body}\n`);
      await chmod(join(dir, name), 0o755);
    };
    await play('lsblk', `echo "${disks[0]}p1 part"; echo "${disks[0]} disk"`);
    await play(
      'findmnt',
      `case "$*" in *" /") echo ${disks[0]}p1 ;; *) echo "/ ${disks[0]}p1"; echo "/boot ${disks[0]}p2" ;; esac`,
    );
    await play('fsfreeze', ':');
    await play('umount', ':');
    const before = [sh`echo forgotten >>${log}`, sh`exit 0`];
    const { text } = copyDisk({ volumeId: 'vol-0123456789abcdef0', device: disks[1], before });
    try {
      const env = { PATH: `${dir}:${process.env['PATH'] ?? ''}` };
      const outcome = await run(shell, ['-eu', '-s'], { input: text, env, signal }).catch((error: unknown) => {
        if (error instanceof CommandError) return error;
        throw error;
      });
      return { outcome, log: await readFile(log, 'utf8'), isSame: (await readFile(paths[0])).equals(await readFile(paths[1])) };
    } finally {
      await run('losetup', ['--detach', ...disks], { signal });
    }
  }

  it.each(['sh', 'bash'])('copies it whole, frozen, with what is mounted of it let go (%s)', async (shell) => {
    const { outcome, log, isSame } = await copy(16 * MiB, 16 * MiB, shell);
    expect(outcome).not.toBeInstanceOf(Error);
    expect((outcome as { readonly stdout: string }).stdout).toContain(COPIED);
    expect(isSame).toBe(true);
    const order = ['forgotten', 'umount /boot', 'fsfreeze --freeze /', 'fsfreeze --unfreeze /'];
    expect(log.split('\n').filter((line) => order.includes(line))).toEqual(order);
  });

  it('refuses a disk of another size, and writes nothing', async () => {
    const { outcome, log, isSame } = await copy(16 * MiB, 17 * MiB, 'sh');
    expect((outcome as Error).message).toContain('are not of one size');
    expect(log).not.toContain('forgotten');
    expect(log).not.toContain('fsfreeze');
    expect(isSame).toBe(false);
  });
});
