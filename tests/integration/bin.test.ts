import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { root } from '../support/sources.ts';
import { workspace } from '../support/workspace.ts';

/** The real program in a process of its own, with a home of its own. */
async function start(argv: readonly string[]) {
  const home = await workspace();
  const child = spawn(
    process.execPath,
    ['--import', pathToFileURL(join(root, 'node_modules/tsx/dist/loader.mjs')).href, join(root, 'bin/kib-native.ts'), ...argv],
    {
      cwd: home,
      env: { PATH: process.env['PATH'], HOME: home },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  return { child, home, exited };
}

describe('bin', () => {
  it('ends with the status of its error and leaves standard output empty', async () => {
    const { child, exited } = await start(['validate', 'debain13']);
    const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), exited]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('did you mean debian13?');
  });

  it('survives a reader that goes away', async () => {
    const { child, exited } = await start(['schema']);
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
    const { child, exited, home } = await start(['build', 'debian13', '--driver', 'qemu', '--without', 'kubernetes', ...base]);
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
