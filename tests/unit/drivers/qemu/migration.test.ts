import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { completed, prepareToSend, receive, send } from '../../../../drivers/qemu/migration.ts';
import { systemClock } from '../../../../src/core/index.ts';
import { connectQmp } from '../../../../src/io/qmp.ts';
import { fakeQmp } from '../../../support/fake-qmp.ts';

const { signal } = new AbortController();
const options = { clock: systemClock, signal };

describe('moving a guest’s state', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'kib-migration-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  const qemuThatReports = (reports: readonly object[]) => {
    const left = [...reports];
    const states = ['finish-migrate', 'postmigrate'];
    return fakeQmp(join(dir, 's'), (command) => {
      if (command === 'query-status') return { return: { status: states.shift() } };
      return { return: command === 'query-migrate' ? left.shift() : {} };
    });
  };

  it('goes at full speed to a socket, until QEMU says it is done', async () => {
    await using server = await qemuThatReports([{}, { status: 'setup' }, { status: 'active' }, { status: 'completed' }]);
    await using qmp = await connectQmp(server.path, options);
    await prepareToSend(qmp, options);
    expect(await send(qmp, '/tmp/a,b', options)).toBeUndefined();
    expect(server.received.slice(1, 4)).toMatchObject([
      { execute: 'migrate-set-parameters', arguments: { 'max-bandwidth': 2 ** 40, 'downtime-limit': 2_000_000 } },
      { execute: 'migrate', arguments: { uri: 'unix:/tmp/a,b' } },
      { execute: 'query-migrate' },
    ]);
    expect(server.received.slice(4).map(({ execute }) => execute)).toEqual([
      'query-migrate',
      'query-migrate',
      'query-migrate',
      'query-status',
      'query-status',
    ]);
  });

  it('tells why a guest’s state cannot be saved at all', async () => {
    const desc = 'State blocked by non-migratable device';
    await using server = await fakeQmp(join(dir, 's'), () => ({ error: { class: 'GenericError', desc } }));
    await using qmp = await connectQmp(server.path, options);
    expect(await send(qmp, '/tmp/a', options)).toBe(`QEMU refused migrate: ${desc}`);
  });

  it.each([
    [{ status: 'failed', 'error-desc': 'Unable to write to socket: Broken pipe' }, 'Broken pipe'],
    [{ status: 'cancelled' }, 'cancelled'],
  ])('fails when QEMU reports %o', async (report, words) => {
    await using server = await qemuThatReports([{ status: 'active' }, report]);
    await using qmp = await connectQmp(server.path, options);
    await receive(qmp, '/tmp/a', options);
    await expect(completed(qmp, options)).rejects.toMatchObject({
      code: 'KIB_QMP',
      message: expect.stringContaining(words) as string,
    });
  });

  it('fails when QEMU goes away, and stops when aborted', async () => {
    const server = await fakeQmp(join(dir, 's'), () => ({ return: { status: 'active' } }));
    const qmp = await connectQmp(server.path, options);
    const abort = new AbortController();
    const aborted = completed(qmp, { ...options, signal: abort.signal });
    abort.abort(new Error('enough'));
    await expect(aborted).rejects.toMatchObject({ code: 'KIB_CANCELLED' });
    const waiting = completed(qmp, options);
    server.hangUp();
    await expect(waiting).rejects.toMatchObject({ code: 'KIB_QMP' });
    await qmp[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });
});
