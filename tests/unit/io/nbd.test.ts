import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NbdConnection } from '../../../src/io/nbd.ts';

/** Numbers as doc/proto.md has them, written down once more. */
const REPLY = 0x0003e889045565a9n;
const DONE = 1;

interface Request {
  readonly command: number;
  readonly cookie: bigint;
  readonly offset: bigint;
  readonly bytes: number;
}

/** What a server does besides a proper handshake. */
interface Script {
  readonly greeting?: Buffer;
  /** Answers to options by their code; default: what a server with one disk of 1 MiB says. */
  readonly answers?: Readonly<Record<number, readonly Buffer[]>>;
  readonly onRequest?: (request: Request, socket: Socket) => void;
}

function answer(code: number, type: number, data: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(20);
  head.writeBigUInt64BE(REPLY);
  head.writeUInt32BE(code, 8);
  head.writeUInt32BE(type, 12);
  head.writeUInt32BE(data.length, 16);
  return Buffer.concat([head, data]);
}

function chunk(flags: number, type: number, cookie: bigint, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(20);
  head.writeUInt32BE(0x668e33ef);
  head.writeUInt16BE(flags, 4);
  head.writeUInt16BE(type, 6);
  head.writeBigUInt64BE(cookie, 8);
  head.writeUInt32BE(payload.length, 16);
  return Buffer.concat([head, payload]);
}

function numbers(...values: readonly (readonly [bytes: 2 | 4 | 8, value: bigint | number])[]): Buffer {
  return Buffer.concat(
    values.map(([bytes, value]) => {
      const buffer = Buffer.alloc(8);
      buffer.writeBigUInt64BE(BigInt(value));
      return buffer.subarray(8 - bytes);
    }),
  );
}

const data = (offset: bigint, content: Buffer): Buffer => Buffer.concat([numbers([8, offset]), content]);

const PROPER: Readonly<Record<number, readonly Buffer[]>> = {
  8: [answer(8, 1)],
  10: [answer(10, 4, Buffer.concat([numbers([4, 9]), Buffer.from('base:allocation')])), answer(10, 1)],
  // Information that was not asked for may come, too.
  7: [
    answer(7, 3, numbers([2, 3], [4, 1], [4, 4096], [4, 2 ** 25])),
    answer(7, 3, numbers([2, 0], [8, 1 << 20], [2, 3])),
    answer(7, 1),
  ],
};

/** Takes whole messages off what came in; undefined when there is none yet. */
function serve(socket: Socket, script: Script): void {
  let input = Buffer.alloc(0);
  let isHandshaking = true;
  const take = (bytes: number): Buffer => {
    const taken = input.subarray(0, bytes);
    input = input.subarray(bytes);
    return taken;
  };
  socket.write(script.greeting ?? Buffer.concat([Buffer.from('NBDMAGICIHAVEOPT'), numbers([2, 3])]));
  let needsFlags = true;
  socket.on('error', () => {});
  socket.on('data', (bytes: Buffer) => {
    input = Buffer.concat([input, bytes]);
    if (needsFlags && input.length >= 4) {
      expect(take(4)).toEqual(numbers([4, 3]));
      needsFlags = false;
    }
    while (isHandshaking && input.length >= 16 && input.length >= 16 + input.readUInt32BE(12)) {
      const head = take(16);
      take(head.readUInt32BE(12));
      const code = head.readUInt32BE(8);
      if (code === 7) isHandshaking = false;
      // Byte by byte, as a stream may come.
      for (const reply of script.answers?.[code] ?? PROPER[code] ?? []) for (const byte of reply) socket.write(Buffer.of(byte));
    }
    if (isHandshaking) return;
    while (input.length >= 28) {
      const head = take(28);
      expect(head.readUInt32BE(0)).toBe(0x25609513);
      const [command, cookie, offset] = [head.readUInt16BE(6), head.readBigUInt64BE(8), head.readBigUInt64BE(16)];
      if (command === 2) socket.end();
      else script.onRequest?.({ command, cookie, offset, bytes: head.readUInt32BE(24) }, socket);
    }
  });
}

describe('NbdConnection', () => {
  let dir: string;
  let server: Server | undefined;
  let script: Script;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'kib-nbd-'));
    script = {};
    server = createServer((socket) => serve(socket, script));
    await new Promise<void>((resolve) => server?.listen(join(dir, 'nbd'), resolve));
  });
  afterEach(async () => {
    await new Promise((resolve) => server?.close(resolve));
    await rm(dir, { recursive: true });
  });

  const connection = (given: Script): NbdConnection => {
    script = given;
    return new NbdConnection(join(dir, 'nbd'));
  };

  it('learns the size and says goodbye', async () => {
    await using nbd = connection({});
    expect(await nbd.opened).toBe(1 << 20);
  });

  it('puts together replies that come in pieces, out of order, with holes', async () => {
    const asked: Request[] = [];
    await using nbd = connection({
      onRequest: (request, socket) => {
        asked.push(request);
        if (asked.length < 2) return;
        const [first, second] = asked;
        if (first === undefined || second === undefined) return;
        const at = (request: Request, delta: number): bigint => request.offset + BigInt(delta);
        socket.write(chunk(0, 1, second.cookie, data(at(second, 100), Buffer.alloc(100, 4))));
        socket.write(chunk(0, 2, first.cookie, numbers([8, at(first, 10)], [4, 20])));
        socket.write(chunk(DONE, 1, second.cookie, data(second.offset, Buffer.alloc(100, 3))));
        socket.write(chunk(0, 1, first.cookie, data(first.offset, Buffer.alloc(10, 1))));
        socket.write(chunk(DONE, 0, first.cookie));
      },
    });
    await nbd.opened;
    const [first, second] = [Buffer.alloc(30, 9), Buffer.alloc(200, 9)];
    await Promise.all([nbd.read(512, first), nbd.read(4096, second)]);
    expect(first).toEqual(Buffer.concat([Buffer.alloc(10, 1), Buffer.alloc(20)]));
    expect(second).toEqual(Buffer.concat([Buffer.alloc(100, 3), Buffer.alloc(100, 4)]));
    expect(asked).toMatchObject([
      { command: 0, offset: 512n, bytes: 30 },
      { command: 0, offset: 4096n, bytes: 200 },
    ]);
  });

  it('reads the block map', async () => {
    await using nbd = connection({
      onRequest: ({ command, cookie }, socket) => {
        expect(command).toBe(7);
        // data, hole that reads as zeroes, zeroes that are allocated, hole whose content is not said to be zero
        socket.write(
          chunk(DONE, 5, cookie, numbers([4, 9], [4, 512], [4, 0], [4, 1024], [4, 3], [4, 512], [4, 2], [4, 512], [4, 1])),
        );
      },
    });
    await nbd.opened;
    expect(await nbd.extents(1 << 19, 4096)).toEqual([
      { offset: 1 << 19, bytes: 512, isZero: false },
      { offset: (1 << 19) + 512, bytes: 1024, isZero: true },
      { offset: (1 << 19) + 1536, bytes: 512, isZero: true },
      { offset: (1 << 19) + 2048, bytes: 512, isZero: false },
    ]);
  });

  it('gives the words of an error to the request it belongs to, and goes on', async () => {
    await using nbd = connection({
      onRequest: ({ cookie, offset, bytes }, socket) => {
        const words = Buffer.concat([numbers([4, 5], [2, 10]), Buffer.from('bad sector')]);
        if (offset === 0n) socket.write(chunk(DONE, 0x8001, cookie, words));
        else socket.write(chunk(DONE, 1, cookie, data(offset, Buffer.alloc(bytes, 1))));
      },
    });
    await nbd.opened;
    await expect(nbd.read(0, Buffer.alloc(10))).rejects.toThrow('the NBD server could not read at 0: error 5: bad sector');
    await nbd.read(1, Buffer.alloc(10));
  });

  it.each<readonly [string, RegExp, (request: Request) => Buffer]>([
    ['an answer to nothing', /not asked/, ({ cookie }) => chunk(DONE, 0, cookie + 1n)],
    [
      'bytes before the stretch',
      /not asked for/,
      ({ cookie, offset }) => chunk(DONE, 1, cookie, data(offset - 1n, Buffer.alloc(10))),
    ],
    ['bytes behind it', /not asked for/, ({ cookie, offset }) => chunk(DONE, 1, cookie, data(offset + 1n, Buffer.alloc(10)))],
    ['a hole behind it', /not asked for/, ({ cookie, offset }) => chunk(DONE, 2, cookie, numbers([8, offset], [4, 11]))],
    [
      'too few bytes',
      /sent 9 bytes instead of 10/,
      ({ cookie, offset }) => chunk(DONE, 1, cookie, data(offset, Buffer.alloc(9))),
    ],
    ['nothing', /sent 0 bytes/, ({ cookie }) => chunk(DONE, 0, cookie)],
    ['an unknown chunk', /chunk of type 77/, ({ cookie }) => chunk(DONE, 77, cookie)],
    [
      'a simple reply',
      /simple reply/,
      ({ cookie }) => Buffer.concat([numbers([4, 0x67446698], [4, 0], [8, cookie]), Buffer.alloc(10)]),
    ],
    ['noise', /no reply/, () => Buffer.alloc(20, 'x')],
    [
      'more than memory',
      /announced 4294967295 bytes/,
      ({ cookie }) => Buffer.concat([chunk(0, 5, cookie).subarray(0, 16), numbers([4, 2 ** 32 - 1])]),
    ],
  ])('does not believe a server that sends %s', async (_what, message, reply) => {
    await using nbd = connection({ onRequest: (request, socket) => socket.write(reply(request)) });
    await nbd.opened;
    await expect(nbd.read(512, Buffer.alloc(10))).rejects.toThrow(message);
  });

  it.each<readonly [string, RegExp, Script]>([
    ['speaks something else', /does not speak NBD/, { greeting: Buffer.from('HTTP/1.1 400 Bad Request\r\n') }],
    ['is of before 2010', /no fixed newstyle/, { greeting: Buffer.concat([Buffer.from('NBDMAGICIHAVEOPT'), numbers([2, 0])]) }],
    ['has no structured replies', /refused structured replies: 2147483649/, { answers: { 8: [answer(8, 2 ** 31 + 1)] } }],
    ['has no block map', /no block map/, { answers: { 10: [answer(10, 1)] } }],
    ['has no such export', /refused its export: no disk/, { answers: { 7: [answer(7, 2 ** 31 + 6, Buffer.from('no disk'))] } }],
    ['does not tell the size', /how large/, { answers: { 7: [answer(7, 1)] } }],
    ['answers with noise', /something else/, { answers: { 8: [Buffer.alloc(20)] } }],
  ])('says so when the server %s', async (_what, message, given) => {
    await using nbd = connection(given);
    await expect(nbd.opened).rejects.toThrow(message);
    await expect(nbd.read(0, Buffer.alloc(1))).rejects.toThrow(message);
  });

  it('rejects what is under way when the server hangs up, and all that comes after', async () => {
    await using nbd = connection({ onRequest: (_request, socket) => socket.destroy() });
    await nbd.opened;
    await expect(Promise.all([nbd.read(0, Buffer.alloc(1)), nbd.extents(0, 512)])).rejects.toThrow(
      /closed the connection|ECONNRESET/,
    );
    await expect(nbd.read(0, Buffer.alloc(1))).rejects.toThrow();
  });

  it('rejects with the reason when it is destroyed', async () => {
    await using nbd = connection({});
    await nbd.opened;
    const reading = nbd.read(0, Buffer.alloc(1));
    nbd.destroy(new Error('enough'));
    await expect(reading).rejects.toThrow('enough');
  });

  it('rejects when nobody listens', async () => {
    await using nbd = new NbdConnection(join(dir, 'nobody'));
    await expect(nbd.opened).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
