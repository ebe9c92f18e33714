import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Freezable, QemuFreezer } from '../../../../drivers/qemu/freeze.ts';
import { qemuOptionsSchema } from '../../../../drivers/qemu/options.ts';
import { PLACEHOLDERS } from '../../../../drivers/qemu/preview.ts';
import { MiB } from '../../../../src/core/index.ts';
import { info } from '../../../../src/io/qemu-img.ts';
import { connectQmp } from '../../../../src/io/qmp.ts';
import { type FakeQmp, fakeQmp } from '../../../support/fake-qmp.ts';
import { type TestContext, testContext } from '../../../support/test-context.ts';

describe('freezing', () => {
  let dir: string;
  let context: TestContext;
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'kib-freeze-'));
    for (const folder of ['a', 'b', 'c']) mkdirSync(join(dir, folder));
    for (const file of ['a/disk.qcow2', 'vars', 'seed']) writeFileSync(join(dir, file), `content of ${file}`);
    context = await testContext();
  });
  afterEach(async () => {
    await context[Symbol.asyncDispose]();
    rmSync(dir, { recursive: true, force: true });
  });

  const place = (name: string, below: string) => ({ folder: join(dir, name), backing: `../${below}/disk.qcow2` });
  // Behaves as QEMU does: connects to the socket that it is told, sends, and is done.
  const fakeQemu = (answer: (command: string) => object | undefined = () => undefined): Promise<FakeQmp> =>
    fakeQmp(join(dir, 's'), (command, args) => {
      const { uri } = args as { uri?: string };
      if (command === 'migrate' && answer(command) === undefined) {
        const socket = connect(uri?.slice('unix:'.length) ?? '').on('error', () => {});
        socket.end('the memory');
      }
      return answer(command) ?? { return: command === 'query-migrate' ? { status: 'completed' } : {} };
    });
  const freezer = async (server: FakeQmp) => {
    const qmp = await connectQmp(server.path, context);
    context.scope.use('QMP', qmp);
    const files = { ...PLACEHOLDERS, disk: join(dir, 'a/disk.qcow2'), vars: join(dir, 'vars'), seed: join(dir, 'seed') };
    const machine: Freezable = {
      qmp,
      files,
      socket: join(dir, 'memory.sock'),
      log: join(dir, 'log'),
      vars: 'vars.fd',
      diskBytes: 8 * MiB,
      options: qemuOptionsSchema.parse({}),
      fingerprint: 'fake',
      context,
    };
    return new QemuFreezer(machine, join(dir, 'a'));
  };
  const commands = (server: FakeQmp) =>
    server.received
      .map(({ execute }) => execute)
      .filter((command) => !command.startsWith('query-'))
      .slice(1);

  it('keeps the guest still for what must be, and nothing else', async () => {
    await using server = await fakeQemu();
    const subject = await freezer(server);
    const frozen = await subject.freeze({ next: place('b', 'a'), memory: true, signal: context.signal });
    expect(commands(server)).toEqual([
      'blockdev-add',
      'blockdev-add',
      'migrate-set-parameters',
      'stop',
      'blockdev-snapshot',
      'migrate',
      'cont',
      'blockdev-reopen',
    ]);
    expect(frozen).toMatchObject({ fingerprint: 'fake', pausedMs: expect.any(Number) as number });
    const [disk, memory, ...rest] = frozen.files;
    expect([disk, ...rest]).toEqual(['disk.qcow2', 'seed.iso', 'vars.fd', 'machine.json']);
    expect(memory).toMatch(/^memory(\.zst)?$/);
    expect(readFileSync(join(dir, 'a/vars.fd'), 'utf8')).toBe('content of vars');
    expect(readFileSync(join(dir, 'a/seed.iso'), 'utf8')).toBe('content of seed');
    expect(JSON.parse(readFileSync(join(dir, 'a/machine.json'), 'utf8'))).toEqual({ v: 1, fingerprint: 'fake', memory });
    expect(statSync(join(dir, 'a/disk.qcow2')).mode & 0o777).toBe(0o400);
    expect(subject.path).toBe(join(dir, 'b/disk.qcow2'));
    expect(await info({ path: subject.path, format: 'qcow2' }, context.signal)).toMatchObject({
      backing: '../a/disk.qcow2',
      virtualBytes: 8 * MiB,
    });
  });

  it('gives every generation of the disk nodes of its own', async () => {
    await using server = await fakeQemu();
    const subject = await freezer(server);
    await subject.freeze({ next: place('b', 'a'), memory: false, signal: context.signal });
    await subject.freeze({ next: place('c', 'b'), memory: false, signal: context.signal });
    const args = (command: string) => server.received.filter(({ execute }) => execute === command).map((one) => one.arguments);
    expect(args('blockdev-add')).toMatchObject([
      { 'node-name': 'disk-1-file', filename: join(dir, 'b/disk.qcow2') },
      { 'node-name': 'disk-1', backing: null },
      { 'node-name': 'disk-2-file', filename: join(dir, 'c/disk.qcow2') },
      { 'node-name': 'disk-2', backing: null },
    ]);
    expect(args('blockdev-snapshot')).toEqual([
      { node: 'disk', overlay: 'disk-1' },
      { node: 'disk-1', overlay: 'disk-2' },
    ]);
    expect(args('blockdev-reopen')).toMatchObject([
      {
        options: [
          { 'node-name': 'disk-file', 'read-only': true },
          { 'node-name': 'disk', backing: 'base', 'read-only': true },
        ],
      },
      { options: [{ 'node-name': 'disk-1-file' }, { 'node-name': 'disk-1', backing: 'disk', 'read-only': true }] },
    ]);
  });

  it('goes on without the memory when QEMU cannot save it, and says why', async () => {
    const error = { class: 'GenericError', desc: "State blocked by non-migratable device '0000:00:04.0/nvme'" };
    await using server = await fakeQemu((command) => (command === 'migrate' ? { error } : undefined));
    const subject = await freezer(server);
    const frozen = await subject.freeze({ next: place('b', 'a'), memory: true, signal: context.signal });
    expect(frozen).toMatchObject({ files: ['disk.qcow2'], fingerprint: undefined });
    expect(commands(server).slice(-2)).toEqual(['cont', 'blockdev-reopen']);
    expect(context.events).toContainEqual({ type: 'log', stream: 'host', line: expect.stringContaining('nvme') as string });
    expect(() => statSync(join(dir, 'a/memory'))).toThrow();
    expect(() => statSync(join(dir, 'a/memory.zst'))).toThrow();
  });

  it('fails when the memory does not arrive', async () => {
    const status = { status: 'failed', 'error-desc': 'Broken pipe' };
    await using server = await fakeQemu((command) => (command === 'query-migrate' ? { return: status } : undefined));
    const subject = await freezer(server);
    const freezing = subject.freeze({ next: place('b', 'a'), memory: true, signal: context.signal });
    await expect(freezing).rejects.toMatchObject({ code: 'KIB_QMP', message: expect.stringContaining('Broken pipe') as string });
    expect(commands(server)).not.toContain('cont');
  });
});
