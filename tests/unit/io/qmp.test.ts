import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/core/index.ts';
import { connectQmp, type QmpEvent } from '../../../src/io/qmp.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { fakeQmp } from '../../support/fake-qmp.ts';

const { signal } = new AbortController();
const options = { clock: systemClock, signal };

describe('QMP', () => {
  let dir: string;
  const socket = () => join(dir, 's');
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'kib-qmp-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  it('greets, negotiates and runs commands', async () => {
    await using server = await fakeQmp(socket(), (command, args) => ({ return: { command, args } }));
    await using qmp = await connectQmp(server.path, options);
    expect(await qmp.greeted).toBe('7.2.22');
    expect(await qmp.execute('query-x', { a: 1 }, { signal })).toEqual({ command: 'query-x', args: { a: 1 } });
    expect(server.received.map((command) => command.execute)).toEqual(['qmp_capabilities', 'query-x']);
  });

  it('tells overlapping commands apart', async () => {
    await using server = await fakeQmp(socket(), () => undefined);
    await using qmp = await connectQmp(server.path, options);
    const [first, second] = [qmp.execute('one', {}, { signal }), qmp.execute('two', {}, { signal })];
    await expect.poll(() => server.received.length).toBe(3);
    const [, one, two] = server.received;
    server.send(`{"return": "second", "id": ${two?.id}}\n{"return": "fi`);
    server.send(`rst", "id": ${one?.id}}\n`);
    expect(await Promise.all([first, second])).toEqual(['first', 'second']);
  });

  it('passes on what QEMU says when it refuses', async () => {
    await using server = await fakeQmp(socket(), () => ({ error: { class: 'GenericError', desc: 'no such device' } }));
    await using qmp = await connectQmp(server.path, options);
    await expect(qmp.execute('device_del', {}, { signal })).rejects.toMatchObject({
      code: 'KIB_QMP',
      message: 'QEMU refused device_del: no such device',
      details: { command: 'device_del', class: 'GenericError' },
    });
  });

  it('delivers events, also in the middle of a command, until unsubscribed', async () => {
    await using server = await fakeQmp(socket(), () => undefined);
    await using qmp = await connectQmp(server.path, options);
    const seen: QmpEvent[] = [];
    const unsubscribe = qmp.subscribe((event) => seen.push(event));
    const shutdown = qmp.next('SHUTDOWN', signal);
    const event = (name: string) =>
      `{"timestamp": {"seconds": 2, "microseconds": 500000}, "event": "${name}", "data": {"guest": true}}\r\n`;
    server.send(event('RESET') + event('SHUTDOWN'));
    expect(await shutdown).toEqual({ event: 'SHUTDOWN', data: { guest: true }, timestamp: 2500 });
    unsubscribe();
    server.send(event('STOP') + event('RESUME'));
    await qmp.next('RESUME', signal);
    expect(seen.map((one) => one.event)).toEqual(['RESET', 'SHUTDOWN']);
  });

  it('rejects what is under way when QEMU goes away, and everything after it', async () => {
    await using server = await fakeQmp(socket(), () => undefined);
    await using qmp = await connectQmp(server.path, options);
    const [command, event] = [qmp.execute('stop', {}, { signal }), qmp.next('STOP', signal)];
    const outcomes = Promise.allSettled([command, event]);
    await expect.poll(() => server.received.length).toBe(2);
    server.hangUp();
    await qmp.closed;
    for (const outcome of await outcomes) expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'KIB_QMP' } });
    await expect(qmp.execute('cont', {}, { signal })).rejects.toMatchObject({ code: 'KIB_QMP' });
  });

  it('gives up at the deadline and when aborted, and drops the late reply', async () => {
    const clock = new FakeClock();
    await using server = await fakeQmp(socket(), () => undefined);
    await using qmp = await connectQmp(server.path, { clock, signal });
    const late = qmp.execute('slow', {}, { signal, timeoutMs: 5000 });
    await expect(clock.run(late)).rejects.toThrow('QEMU did not answer slow within 5 s');
    const abort = new AbortController();
    const aborted = qmp.execute('slow', {}, { signal: abort.signal });
    abort.abort(new Error('enough'));
    await expect(aborted).rejects.toMatchObject({ code: 'KIB_CANCELLED' });
    server.send('{"return": {}, "id": 2}\n{"return": {}, "id": 3}\n');
    const next = qmp.execute('quick', {}, { signal });
    await expect.poll(() => server.received.length).toBe(4);
    server.send('{"return": 4, "id": 4}\n');
    expect(await next).toBe(4);
  });

  it('says what is wrong with a socket that is not there, or is not QMP', async () => {
    await expect(connectQmp(join(dir, 'none'), options)).rejects.toMatchObject({ code: 'KIB_QMP', cause: { code: 'ENOENT' } });
    await using server = await fakeQmp(socket(), undefined, 'SSH-2.0-OpenSSH_9.2\r\n');
    await expect(connectQmp(server.path, options)).rejects.toThrow(/not QMP: SSH-2\.0/);
  });

  it('does not wait for ever for a greeting', async () => {
    const clock = new FakeClock();
    await using server = await fakeQmp(socket(), undefined, '');
    const connecting = connectQmp(server.path, { clock, signal, timeoutMs: 1000 });
    await expect(clock.run(connecting)).rejects.toThrow('the greeting within 1 s');
  });
});
