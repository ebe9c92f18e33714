import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  feedMemory,
  lastWords,
  loadingProgram,
  type MemoryPipe,
  MemorySaver,
  savingProgram,
} from '../../../../drivers/qemu/memory.ts';
import { systemClock } from '../../../../src/core/index.ts';

describe('saved memory', () => {
  let dir: string;
  const { PATH } = process.env;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'kib-memory-'));
  });
  afterEach(() => {
    process.env['PATH'] = PATH ?? '';
    rmSync(dir, { recursive: true, force: true });
  });

  const pipe = (argv: readonly string[]): MemoryPipe => ({
    socket: join(dir, 'sock'),
    path: join(dir, 'memory'),
    file: 'memory',
    argv,
    log: join(dir, 'log'),
    clock: systemClock,
  });
  // More than any buffer on the way, and not to be compressed.
  const stream = Buffer.concat([randomBytes(3_000_000), Buffer.alloc(3_000_000)]);
  const sent = async (bytes: Buffer): Promise<void> => {
    const socket = connect(join(dir, 'sock'));
    await new Promise<void>((resolve) => socket.end(bytes, resolve));
  };
  const program = (body: string): readonly string[] => {
    const path = join(dir, 'program');
    writeFileSync(path, `#!/bin/sh\n${body}\n`);
    chmodSync(path, 0o755);
    return [path];
  };
  const fed = async (argv: readonly string[]) => {
    const received = new Promise<Buffer>((resolve) => {
      const server = createServer((socket) => {
        server.close();
        resolve(buffer(socket));
      }).listen(join(dir, 'sock'));
      server.once('listening', () => listening(undefined));
    });
    let listening: (value: undefined) => void = () => {};
    await new Promise<undefined>((resolve) => {
      listening = resolve;
    });
    const feeder = await feedMemory(pipe(argv));
    return { bytes: await received, end: await feeder.ended };
  };

  it.each([
    ['as it is', [['cat'], ['cat']]],
    ['compressed', undefined],
  ] as const)('goes to a file and comes back, %s', async (_, programs) => {
    const saving = programs?.[0] ?? (await savingProgram()).argv;
    const loading = programs?.[1] ?? (await loadingProgram((await savingProgram()).file));
    {
      await using saver = await MemorySaver.listen(pipe(saving));
      await Promise.all([sent(stream), saver.finish()]);
    }
    expect(statSync(join(dir, 'memory')).mode & 0o777).toBe(0o600);
    expect(existsSync(join(dir, 'sock'))).toBe(false);
    const { bytes, end } = await fed(loading);
    expect(end).toEqual({ code: 0, signal: undefined });
    expect(bytes.equals(stream)).toBe(true);
  });

  it('is compressed where zstd is installed, and only read with it then', async () => {
    process.env['PATH'] = dir;
    expect(await savingProgram()).toEqual({ file: 'memory', argv: ['cat'] });
    expect(await loadingProgram('memory')).toEqual(['cat']);
    await expect(loadingProgram('memory.zst')).rejects.toMatchObject({
      code: 'KIB_TOOL_MISSING',
      hint: expect.stringContaining('zstd') as string,
    });
    writeFileSync(join(dir, 'zstd'), '');
    chmodSync(join(dir, 'zstd'), 0o755);
    expect(await savingProgram()).toMatchObject({ file: 'memory.zst', argv: [join(dir, 'zstd'), '-q', '-1', '-T0', '-c'] });
  });

  it('stops listening when QEMU never comes', async () => {
    const saver = await MemorySaver.listen(pipe(['cat']));
    await saver[Symbol.asyncDispose]();
    expect(existsSync(join(dir, 'sock'))).toBe(false);
    await expect(saver.finish()).rejects.toThrow();
  });

  it('ends a program that still runs', async () => {
    const saver = await MemorySaver.listen(pipe(['cat']));
    const socket = connect(join(dir, 'sock'));
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.resume().on('error', () => {});
    socket.write('begun');
    await expect.poll(() => readFileSync(join(dir, 'memory'), 'utf8')).toBe('begun');
    await saver[Symbol.asyncDispose]();
    await closed;
  });

  it('says why it could not be saved', async () => {
    await using saver = await MemorySaver.listen(pipe(program('cat >/dev/null; echo "zstd: error 70: Write error" >&2; exit 3')));
    await sent(stream);
    await expect(saver.finish()).rejects.toMatchObject({
      code: 'KIB_QMP',
      message: expect.stringMatching(/exit status 3: zstd: error 70/) as string,
    });
    expect(await lastWords(join(dir, 'log'))).toBe('zstd: error 70: Write error');
  });

  it('knows a full disk', async () => {
    await using saver = await MemorySaver.listen(
      pipe(program('cat >/dev/null; echo "cannot write block: No space left on device" >&2; exit 70')),
    );
    await sent(stream);
    await expect(saver.finish()).rejects.toMatchObject({ code: 'KIB_DISK_FULL' });
  });

  it('never writes over a file', async () => {
    writeFileSync(join(dir, 'memory'), 'precious');
    await expect(MemorySaver.listen(pipe(['cat']))).rejects.toMatchObject({ code: 'EEXIST' });
    expect(readFileSync(join(dir, 'memory'), 'utf8')).toBe('precious');
  });
});
