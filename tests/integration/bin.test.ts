import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startBin } from '../support/bin.ts';

describe('bin', () => {
  it('ends with the status of its error and leaves standard output empty', async () => {
    const { child, exited } = await startBin(['validate', 'debain13']);
    const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), exited]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('did you mean debian13?');
  });

  it('survives a reader that goes away', async () => {
    const { child, exited } = await startBin(['schema']);
    child.stdout.destroy();
    const [stderr, [code, signal]] = await Promise.all([text(child.stderr), exited]);
    expect({ signal, stderr }).toEqual({ signal: null, stderr: '' });
    expect([0, 141]).toContain(code);
  });

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('cleans up after %s in the middle of a download', async (name) => {
    const requested = deferred();
    const server = createServer(() => requested.resolve());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/base.qcow2`;
    const base = ['--var', `base.url=${url}`, '--var', `base.sha256=${'0'.repeat(64)}`];
    const { child, exited, home } = await startBin(['build', 'debian13', '--driver', 'qemu', '--without', 'kubernetes', ...base]);
    const stderr = text(child.stderr);
    await Promise.race([requested.promise, exited]);
    child.kill(name);
    const [code] = await exited;
    expect(await stderr).toContain(`interrupted by ${name}`);
    expect(code).toBe(130);
    expect(await readdir(join(home, '.cache/kib-native/work'))).toEqual([]);
  });
});

function deferred(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve: () => void = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
