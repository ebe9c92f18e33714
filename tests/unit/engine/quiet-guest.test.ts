import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KibError, type Sh } from '../../../src/core/index.ts';
import { quietGuest, silence } from '../../../src/engine/quiet-guest.ts';
import { testRegistry } from '../../support/registry.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kib-quiet-'));
  const systemctl = `#!/bin/sh\nif [ "$1" = show ]; then printf 'fstrim.service\\n\\napt-daily.service\\n'; else echo "$@" >${folder}/log; exit 5; fi\n`;
  writeFileSync(join(folder, 'systemctl'), systemctl);
  chmodSync(join(folder, 'systemctl'), 0o755);
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Milliseconds the script took. */
function run(lock: string): number {
  const script = quietGuest({ packageManager: 'apt' }).text.replaceAll('/var/lib/dpkg/lock-frontend', lock);
  const start = performance.now();
  execFileSync('/bin/sh', ['-eu', '-c', script], { env: { PATH: `${folder}:/usr/bin:/bin` } });
  return performance.now() - start;
}

/** Resolves once the lock is held. */
async function hold(lock: string, seconds: number): Promise<{ readonly holder: ChildProcess; readonly ended: Promise<unknown> }> {
  const holder = spawn('flock', ['--no-fork', lock, 'sh', '-c', `echo; exec sleep ${seconds}`]);
  const ended = new Promise((resolve) => holder.once('exit', resolve));
  await new Promise((resolve) => holder.stdout.once('data', resolve));
  return { holder, ended };
}

describe('quietGuest', () => {
  it('stops timers with what they start, whether or not everything is there', () => {
    run(join(folder, 'none'));
    const stopped = readFileSync(join(folder, 'log'), 'utf8').trim().split(' ');
    expect(stopped.slice(0, 4)).toEqual(['stop', '*.timer', 'apt-daily.service', 'fstrim.service']);
    expect(stopped).toContain('unattended-upgrades.service');
  });

  it('waits while somebody holds a lock of the package manager', async () => {
    const lock = join(folder, 'lock');
    const { ended } = await hold(lock, 1.5);
    expect(run(lock)).toBeGreaterThan(1000);
    await ended;
    expect(run(lock)).toBeLessThan(1000);
  });

  it('knows the locks of both package managers', () => {
    expect(quietGuest({ packageManager: 'dnf' }).text).toContain('.rpm.lock');
  });
});

describe('silence', () => {
  it('names who changes packages for too long', async () => {
    const lock = join(folder, 'lock');
    const { holder, ended } = await hold(lock, 30);
    // This host, without the five minutes.
    const run = async (script: Sh) => {
      const text = script.text.replaceAll('/var/lib/dpkg/lock-frontend', lock).replace('-ge 300', '-ge 0');
      const { status, stderr } = spawnSync('/bin/sh', ['-eu', '-c', text], {
        env: { PATH: `${folder}:/usr/bin:/bin` },
        encoding: 'utf8',
      });
      throw new KibError('KIB_ACTION_FAILED', `a script in the guest exited with ${status}: ${stderr.trim()}`, {
        details: { exitCode: status },
      });
    };
    const [os] = testRegistry.catalog;
    if (os === undefined) throw new Error('no system');
    try {
      await expect(silence({ run }, os, new AbortController().signal)).rejects.toMatchObject({
        code: 'KIB_PACKAGE_LOCK',
        message: expect.stringMatching(/went on for too long: process \d+ \(sleep 30/) as string,
      });
    } finally {
      holder.kill();
      await ended;
    }
  });
});
