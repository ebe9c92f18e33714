import { once } from 'node:events';
import { type FileHandle, open, readFile, rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { type Clock, KibError } from '../../src/core/index.ts';
import { toolMissing } from '../../src/io/process.ts';
import { findProgram } from '../../src/io/programs.ts';
import { Daemon } from './daemon.ts';

/** Names that saved memory has in its folder, and what they tell of it. */
export const MEMORY_FILES = ['memory.zst', 'memory'] as const;
export type MemoryFile = (typeof MEMORY_FILES)[number];

/** What memory is piped through on its way to and from disk. */
export interface MemoryPipe {
  /** Unix socket at QEMU's side; made or connected to, and gone afterwards. */
  readonly socket: string;
  readonly file: MemoryFile;
  readonly path: string;
  readonly argv: readonly string[];
  /** What the program prints goes here. */
  readonly log: string;
  readonly clock: Clock;
}

/** zstd, fast and on all cores, where it is installed: a third of the size, and what is not written need not be hashed. The guest waits for it. */
export async function savingProgram(): Promise<{ readonly file: MemoryFile; readonly argv: readonly string[] }> {
  const zstd = await findProgram('zstd');
  if (zstd === undefined) return { file: 'memory', argv: ['cat'] };
  return { file: 'memory.zst', argv: [zstd, '-q', '-1', '-T0', '-c'] };
}

/** Throws KIB_TOOL_MISSING when the memory was compressed by a program that is not here. */
export async function loadingProgram(file: MemoryFile): Promise<readonly string[]> {
  if (file === 'memory') return ['cat'];
  const zstd = await findProgram('zstd');
  if (zstd === undefined) throw toolMissing('zstd');
  return [zstd, '-q', '-d', '-c'];
}

/**
 * Takes a memory stream from QEMU and puts it into a new file. The program reads QEMU's socket and writes the file itself, so that the stream
 * does not pass through this process. Disposing ends the program if it still runs; the file is the caller's.
 */
export class MemorySaver implements AsyncDisposable {
  readonly #pipe: MemoryPipe;
  readonly #server: Server;
  readonly #disposed = new AbortController();
  readonly #program: Promise<Daemon>;

  private constructor(pipe: MemoryPipe, server: Server, file: FileHandle) {
    this.#pipe = pipe;
    this.#server = server;
    this.#program = this.#serve(file);
    // It may never come to that.
    this.#program.catch(() => {});
  }

  /** The file's name and path. */
  get file(): MemoryFile {
    return this.#pipe.file;
  }

  get path(): string {
    return this.#pipe.path;
  }

  /** Listens on the socket; the file is there, empty, when this resolves. */
  static async listen(pipe: MemoryPipe): Promise<MemorySaver> {
    const file = await open(pipe.path, 'wx', 0o600);
    // Paused: what is read here would be missing there.
    const server = createServer({ pauseOnConnect: true });
    try {
      server.listen(pipe.socket);
      await once(server, 'listening');
      return new MemorySaver(pipe, server, file);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Waits until the whole stream is in the file. QEMU must have connected. */
  async finish(): Promise<void> {
    const { code, signal } = await (await this.#program).ended;
    if (code !== 0) throw await failed(this.#pipe, signal ?? `exit status ${code}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.#disposed.abort();
    await this.#program.then(
      (daemon) => daemon.stop(),
      () => {},
    );
    await rm(this.#pipe.socket, { force: true });
  }

  async #serve(file: FileHandle): Promise<Daemon> {
    const { argv, log, clock } = this.#pipe;
    try {
      const [socket] = (await once(this.#server, 'connection', { signal: this.#disposed.signal })) as [Socket];
      // Trouble on it from now on is the program's to notice.
      socket.on('error', () => {});
      try {
        return await Daemon.start(argv, log, clock, { stdin: socket, stdout: file.fd });
      } finally {
        // The program has its own copy; the stream ends when QEMU closes, not before.
        socket.destroy();
      }
    } finally {
      await file.close();
    }
  }
}

/** Starts to feed saved memory to the socket that QEMU listens on. The caller waits for the program to end, or stops it. */
export async function feedMemory({ socket, path, argv, log, clock }: MemoryPipe): Promise<Daemon> {
  const file = await open(path, 'r');
  try {
    const connection = connect(socket);
    await once(connection, 'connect');
    // Trouble on it from now on is the program's to notice.
    connection.on('error', () => {});
    try {
      return await Daemon.start(argv, log, clock, { stdin: file.fd, stdout: connection });
    } finally {
      connection.destroy();
    }
  } finally {
    await file.close();
  }
}

/** The last words of a program or QEMU in its log. */
export async function lastWords(log: string): Promise<string> {
  const lines = (await readFile(log, 'utf8').catch(() => '')).trim().split('\n');
  return lines.slice(-3).join('\n');
}

async function failed({ argv, log, path }: MemoryPipe, how: string): Promise<KibError> {
  const words = await lastWords(log);
  if (words.includes('No space left on device')) {
    return new KibError('KIB_DISK_FULL', `no space left while the machine's memory was written to ${path}`, {
      hint: 'free some space, or choose another cache folder',
    });
  }
  return new KibError('KIB_QMP', `could not save the machine's memory: ${argv[0]} ended with ${how}: ${words}`);
}
