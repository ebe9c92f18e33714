import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type PlannedAction, sh, systemClock } from '../../src/core/index.ts';
import { executeActions } from '../../src/engine/execute.ts';
import { Guest } from '../../src/engine/guest.ts';
import { connectSsh } from '../../src/transport/ssh.ts';
import { canRunSshd, type Sshd, startSshd } from '../support/sshd.ts';
import { type TestContext, testContext } from '../support/test-context.ts';

/** An SSH server of this host stands in for a guest. */
describe.skipIf(!canRunSshd)('a failed installation', () => {
  let context: TestContext;
  let sshd: Sshd;
  let guest: Guest;
  let log: string;

  beforeEach(async () => {
    context = await testContext();
    sshd = await startSshd(context.root, []);
    const login = (signal: AbortSignal) =>
      connectSsh(sshd.endpoint, sshd.credentials, { signal, clock: systemClock, readyTimeoutMs: 10_000 });
    guest = await Guest.connect({ connect: login, clock: systemClock, slowness: 1 }, context.signal);
    log = join(context.root, 'log');
    await writeFile(log, '');
  });
  afterEach(async () => {
    await guest[Symbol.asyncDispose]();
    await sshd[Symbol.asyncDispose]();
    await context[Symbol.asyncDispose]();
  });

  /** Says `output` and fails, and is asked to try three times. */
  const install = (output: string): PlannedAction => ({
    kind: 'exec',
    id: 'packages/1',
    recipe: 'packages',
    title: 'install jq',
    script: sh`
      echo attempt >>${log}
      echo ${output}
      exit 100
    `,
    timeoutMs: 60_000,
    attempts: 3,
    pauseMs: 1500,
    packages: true,
  });
  const run = (output: string) => executeActions(guest, [install(output)], { files: new Map(), context });
  const attempts = async () => (await readFile(log, 'utf8')).trim().split('\n').length;

  it('is tried again when its repository may come back', async () => {
    await expect(run("E: Failed to fetch http://example.org/a.deb  Could not resolve 'example.org'")).rejects.toMatchObject({
      code: 'KIB_PACKAGE_REPOSITORY',
      message: expect.stringContaining('failed after 3 attempts: the package repository http://example.org/a.deb cannot be read'),
    });
    expect(await attempts()).toBe(3);
  });

  it('is not tried again when that cannot help', async () => {
    await expect(run('E: Unable to locate package jq')).rejects.toMatchObject({
      code: 'KIB_PACKAGE_VERSION',
      message: expect.stringContaining('packages/1 (install jq) failed: no repository has jq'),
      hint: expect.stringContaining('is the name right?'),
    });
    await new Promise((resolve) => setTimeout(resolve, 2500));
    expect(await attempts()).toBe(1);
  });

  it('of an unknown kind says what it said', async () => {
    await expect(run('something else')).rejects.toMatchObject({ code: 'KIB_ACTION_FAILED', details: { exitCode: 100 } });
    expect(await attempts()).toBe(3);
  });
});
