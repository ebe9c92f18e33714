import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { quietGuest } from '../../../src/engine/quiet-guest.ts';

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

describe('quietGuest', () => {
  it('stops timers with what they start, whether or not everything is there', () => {
    run(join(folder, 'none'));
    const stopped = readFileSync(join(folder, 'log'), 'utf8').trim().split(' ');
    expect(stopped.slice(0, 4)).toEqual(['stop', '*.timer', 'apt-daily.service', 'fstrim.service']);
    expect(stopped).toContain('unattended-upgrades.service');
  });

  it('waits while somebody holds a lock of the package manager', async () => {
    const lock = join(folder, 'lock');
    const holder = spawn('flock', [lock, 'sh', '-c', 'echo; sleep 1.5']);
    const ended = new Promise((resolve) => holder.once('exit', resolve));
    await new Promise((resolve) => holder.stdout.once('data', resolve));
    expect(run(lock)).toBeGreaterThan(1000);
    await ended;
    expect(run(lock)).toBeLessThan(1000);
  });

  it('knows the locks of both package managers', () => {
    expect(quietGuest({ packageManager: 'dnf' }).text).toContain('.rpm.lock');
  });
});
