/**
 * Numbers and messages of the NBD protocol, client's side: fixed newstyle handshake, structured replies, block status
 * (NetworkBlockDevice/nbd doc/proto.md). All numbers are big-endian.
 */
const GREETING = 'NBDMAGICIHAVEOPT';
const OPTION_MAGIC = 'IHAVEOPT';
const REPLY_MAGIC = 0x0003e889045565a9n;
const REQUEST_MAGIC = 0x25609513;
const CHUNK_MAGIC = 0x668e33ef;
const SIMPLE_MAGIC = 0x67446698;

/** Handshake flags, the same bits from server and client: FIXED_NEWSTYLE, NO_ZEROES. */
const HANDSHAKE_FLAGS = 0b11;

export const OPTION = { go: 7, structuredReply: 8, setMetaContext: 10 } as const;
/** Answers to options; errors have the highest bit set. */
export const ANSWER = { ack: 1, info: 3, metaContext: 4 } as const;
export const INFO_EXPORT = 0;
export const COMMAND = { read: 0, disconnect: 2, blockStatus: 7 } as const;
/** Types of chunks; errors have the highest bit set. */
export const CHUNK = { none: 0, data: 1, hole: 2, blockStatus: 5, errorOffset: 0x8002 } as const;
/** A range of the metadata context base:allocation that reads as zeroes. */
export const STATE_ZERO = 2;

export const GREETING_BYTES = GREETING.length + 2;
export const ANSWER_BYTES = 20;
export const CHUNK_BYTES = 20;

/** Answers a server's greeting; throws when it is not one or too old. */
export function answerGreeting(greeting: Buffer): Buffer {
  if (greeting.toString('latin1', 0, GREETING.length) !== GREETING) throw new Error('the server does not speak NBD (newstyle)');
  if ((greeting.readUInt16BE(GREETING.length) & 1) === 0) throw new Error('the server speaks no fixed newstyle NBD');
  const flags = Buffer.alloc(4);
  flags.writeUInt32BE(HANDSHAKE_FLAGS);
  return flags;
}

/** Asks for an option. */
export function option(code: number, data: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(16);
  head.write(OPTION_MAGIC, 'latin1');
  head.writeUInt32BE(code, 8);
  head.writeUInt32BE(data.length, 12);
  return Buffer.concat([head, data]);
}

/** Data of OPTION.go: the export of the empty name, no further information. */
export const GO_DATA = Buffer.alloc(6);

/** Data of OPTION.setMetaContext: one context of the export of the empty name. */
export function metaContextData(context: string): Buffer {
  const head = Buffer.alloc(12);
  head.writeUInt32BE(1, 4);
  head.writeUInt32BE(Buffer.byteLength(context), 8);
  return Buffer.concat([head, Buffer.from(context)]);
}

/** The head of an answer to an option; data follow it. */
export function parseAnswer(head: Buffer): { readonly type: number; readonly bytes: number } {
  if (head.readBigUInt64BE(0) !== REPLY_MAGIC) throw new Error('the server answered an option with something else');
  return { type: head.readUInt32BE(12), bytes: head.readUInt32BE(16) };
}

/** A request without payload. */
export function request(command: number, cookie: number, offset: number, bytes: number): Buffer {
  const message = Buffer.alloc(28);
  message.writeUInt32BE(REQUEST_MAGIC, 0);
  message.writeUInt16BE(command, 6);
  message.writeBigUInt64BE(BigInt(cookie), 8);
  message.writeBigUInt64BE(BigInt(offset), 16);
  message.writeUInt32BE(bytes, 24);
  return message;
}

export interface ChunkHead {
  readonly isLast: boolean;
  readonly type: number;
  readonly cookie: number;
  /** Length of the payload that follows. */
  readonly bytes: number;
}

/** The head of a chunk of a structured reply. */
export function parseChunk(head: Buffer): ChunkHead {
  const magic = head.readUInt32BE(0);
  if (magic === SIMPLE_MAGIC) throw new Error('the server sent a simple reply although structured ones were agreed on');
  if (magic !== CHUNK_MAGIC) throw new Error('the server sent something that is no reply');
  return {
    isLast: (head.readUInt16BE(4) & 1) === 1,
    type: head.readUInt16BE(6),
    cookie: Number(head.readBigUInt64BE(8)),
    bytes: head.readUInt32BE(16),
  };
}

/** Error number and message of an error chunk's payload. */
export function parseError(payload: Buffer): string {
  const text = payload.toString('utf8', 6, 6 + payload.readUInt16BE(4));
  return `error ${payload.readUInt32BE(0)}${text === '' ? '' : `: ${text}`}`;
}
