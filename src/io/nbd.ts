import { connect, type Socket } from 'node:net';
import {
  ANSWER,
  ANSWER_BYTES,
  answerGreeting,
  CHUNK,
  CHUNK_BYTES,
  type ChunkHead,
  COMMAND,
  GO_DATA,
  GREETING_BYTES,
  INFO_EXPORT,
  metaContextData,
  OPTION,
  option,
  parseAnswer,
  parseChunk,
  parseError,
  request,
  STATE_ZERO,
} from './nbd-wire.ts';

/** A stretch of a disk, in bytes. */
export interface Stretch {
  readonly offset: number;
  readonly bytes: number;
}

/** A stretch that either reads as zeroes or may hold data. */
export interface Extent extends Stretch {
  readonly isZero: boolean;
}

interface Pending {
  /** Where the bytes of a read go, from `offset` on. */
  readonly target: Buffer;
  readonly offset: number;
  readonly extents: Extent[];
  filled: number;
  error: Error | undefined;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** What a server may say in one go: longer answers to options and commands are nonsense. */
const MAX_PAYLOAD = 64 * 1024 * 1024;
/** More than a Unix socket holds (net.core.wmem_default). */
const RECEIVE_BYTES = 256 * 1024;

/**
 * A connection to an NBD server on a Unix socket, for reading its default export. Requests may overlap; memory is bounded by what is asked
 * for at a time. Every call rejects once the connection is gone. Dispose it.
 */
export class NbdConnection implements AsyncDisposable {
  /** Resolves with the size of the export in bytes once the handshake is done. */
  readonly opened: Promise<number>;
  readonly #socket: Socket;
  readonly #closed: Promise<void>;
  readonly #pending = new Map<number, Pending>();
  #nextCookie = 1;
  #gone: Error | undefined;
  #open: (bytes: number) => void = () => {};
  #refuse: (error: Error) => void = () => {};

  constructor(path: string) {
    this.opened = new Promise((resolve, reject) => {
      this.#open = resolve;
      this.#refuse = reject;
    });
    this.opened.catch(() => {});
    const fill = filler(this.#session());
    const callback = (count: number, buffer: Uint8Array): boolean => {
      try {
        fill(buffer.subarray(0, count));
      } catch (error) {
        this.#socket.destroy(error as Error);
      }
      return true;
    };
    // One buffer for all that comes, instead of a new one for each 64 KiB.
    this.#socket = connect({ path, onread: { buffer: Buffer.alloc(RECEIVE_BYTES), callback } });
    this.#socket.on('error', (error) => this.#fail(error));
    this.#closed = new Promise((resolve) => {
      this.#socket.on('close', () => {
        this.#fail(new Error('the NBD server closed the connection'));
        resolve();
      });
    });
  }

  /** Fills `target` with what lies at `offset`; at most 32 MiB, which every server serves in one go. */
  async read(offset: number, target: Buffer): Promise<void> {
    const { filled } = await this.#request(COMMAND.read, offset, target.length, target);
    if (filled !== target.length) throw new Error(`the NBD server sent ${filled} bytes instead of ${target.length}`);
  }

  /** What the start of a stretch (less than 4 GiB) consists of; never nothing, but maybe less than was asked for. */
  async extents(offset: number, bytes: number): Promise<readonly Extent[]> {
    const { extents } = await this.#request(COMMAND.blockStatus, offset, bytes, Buffer.alloc(0));
    if (extents.length === 0) throw new Error('the NBD server told nothing about the blocks');
    return extents;
  }

  /** Says goodbye, at which a server for one client ends, and waits until the connection is closed. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#gone === undefined) this.#socket.end(request(COMMAND.disconnect, 0, 0, 0));
    else this.#socket.destroy();
    await this.#closed;
  }

  /** Ends the connection at once; what is under way rejects with the reason. */
  destroy(reason: Error): void {
    this.#socket.destroy(reason);
  }

  #request(command: number, offset: number, bytes: number, target: Buffer): Promise<Pending> {
    return new Promise((resolve, reject) => {
      if (this.#gone !== undefined) return reject(this.#gone);
      const cookie = this.#nextCookie++;
      const extents: Extent[] = [];
      const pending: Pending = { target, offset, extents, filled: 0, error: undefined, resolve: () => resolve(pending), reject };
      this.#pending.set(cookie, pending);
      this.#socket.write(request(command, cookie, offset, bytes));
    });
  }

  #fail(error: Error): void {
    this.#gone ??= error;
    this.#refuse(this.#gone);
    for (const pending of this.#pending.values()) pending.reject(this.#gone);
    this.#pending.clear();
  }

  // The whole conversation in order: yields a buffer, goes on when it is filled.
  *#session(): Generator<Buffer, never, void> {
    this.#open(yield* this.#handshake());
    const head = Buffer.alloc(CHUNK_BYTES);
    for (;;) {
      yield head;
      const chunk = parseChunk(head);
      const pending = this.#pending.get(chunk.cookie);
      if (pending === undefined) throw new Error('the NBD server answered what was not asked');
      if (chunk.type === CHUNK.data) yield* dataChunk(chunk, pending);
      else otherChunk(chunk.type, yield* taken(chunk.bytes), pending);
      if (!chunk.isLast) continue;
      this.#pending.delete(chunk.cookie);
      if (pending.error === undefined) pending.resolve();
      else pending.reject(pending.error);
    }
  }

  *#handshake(): Generator<Buffer, number, void> {
    this.#socket.write(answerGreeting(yield* taken(GREETING_BYTES)));
    yield* this.#negotiate(OPTION.structuredReply, 'structured replies');
    const contexts = yield* this.#negotiate(
      OPTION.setMetaContext,
      'the block map',
      metaContextData('base:allocation'),
      ANSWER.metaContext,
    );
    if (contexts.length !== 1) throw new Error('the NBD server has no block map');
    const information = yield* this.#negotiate(OPTION.go, 'its export', GO_DATA, ANSWER.info);
    const size = information.find((data) => data.readUInt16BE(0) === INFO_EXPORT)?.readBigUInt64BE(2);
    if (size === undefined) throw new Error('the NBD server did not say how large the disk is');
    return Number(size);
  }

  *#negotiate(code: number, what: string, data?: Buffer, wanted?: number): Generator<Buffer, Buffer[], void> {
    this.#socket.write(option(code, data));
    for (const found: Buffer[] = []; ; ) {
      const answer = parseAnswer(yield* taken(ANSWER_BYTES));
      const content = yield* taken(answer.bytes);
      if (answer.type === ANSWER.ack) return found;
      if (answer.type === wanted) found.push(content);
      else if (answer.type >= 2 ** 31) throw new Error(`the NBD server refused ${what}: ${content.toString() || answer.type}`);
    }
  }
}

function* taken(bytes: number): Generator<Buffer, Buffer, void> {
  if (bytes > MAX_PAYLOAD) throw new Error(`the NBD server announced ${bytes} bytes`);
  const buffer = Buffer.alloc(bytes);
  yield buffer;
  return buffer;
}

function* dataChunk({ bytes }: ChunkHead, pending: Pending): Generator<Buffer, void, void> {
  const at = Number((yield* taken(8)).readBigUInt64BE()) - pending.offset;
  yield claim(pending, at, bytes - 8);
}

function otherChunk(type: number, payload: Buffer, pending: Pending): void {
  if (type === CHUNK.hole) {
    claim(pending, Number(payload.readBigUInt64BE(0)) - pending.offset, payload.readUInt32BE(8)).fill(0);
  } else if (type === CHUNK.blockStatus) {
    let offset = pending.offset;
    for (let at = 4; at < payload.length; at += 8) {
      const bytes = payload.readUInt32BE(at);
      pending.extents.push({ offset, bytes, isZero: (payload.readUInt32BE(at + 4) & STATE_ZERO) !== 0 });
      offset += bytes;
    }
  } else if (type >= 2 ** 15) {
    pending.error = new Error(`the NBD server could not read at ${pending.offset}: ${parseError(payload)}`);
  } else if (type !== CHUNK.none) {
    throw new Error(`the NBD server sent a chunk of type ${type}`);
  }
}

function claim(pending: Pending, at: number, bytes: number): Buffer {
  if (at < 0 || at + bytes > pending.target.length) throw new Error('the NBD server sent bytes that were not asked for');
  pending.filled += bytes;
  return pending.target.subarray(at, at + bytes);
}

/** Fills the session's buffers with what comes, one after the other. */
function filler(session: Generator<Buffer, never, void>): (chunk: Uint8Array) => void {
  let target: Buffer | undefined;
  let filled = 0;
  return (chunk) => {
    for (let at = 0; ; ) {
      target ??= session.next().value;
      const count = Math.min(target.length - filled, chunk.length - at);
      target.set(chunk.subarray(at, at + count), filled);
      at += count;
      filled += count;
      if (filled < target.length) return;
      target = undefined;
      filled = 0;
    }
  };
}
