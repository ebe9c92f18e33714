import { constants, createDeflate, type Deflate, type ZlibOptions } from 'node:zlib';
import { MiB } from '../core/index.ts';

/**
 * Compresses buffers one by one, several at a time on Node's thread pool. Its zlib states are used again: with `zlib.deflate`, a new one for
 * each 64 KiB, a third of the time goes into collecting them. Dispose it.
 */
export class Deflater implements Disposable {
  readonly #options: ZlibOptions;
  readonly #all: Deflate[] = [];
  readonly #free: Deflate[] = [];

  constructor(options: { readonly level: number; readonly memLevel: number; readonly chunkSize: number }) {
    // Room for what a buffer becomes, so that a state never waits to be read.
    this.#options = { ...options, highWaterMark: MiB } as ZlibOptions;
  }

  /** A zlib stream (RFC 1950) of less than 1 MiB. */
  async deflate(data: Buffer): Promise<Buffer> {
    const state = this.#free.pop() ?? this.#create();
    const deflated = await new Promise<Buffer>((resolve, reject) => {
      state.once('error', reject);
      state.write(data);
      state.flush(constants.Z_FINISH, () => {
        state.off('error', reject);
        resolve(state.read() as Buffer);
      });
    });
    state.reset();
    this.#free.push(state);
    return deflated;
  }

  [Symbol.dispose](): void {
    for (const state of this.#all) state.destroy();
  }

  #create(): Deflate {
    const state = createDeflate(this.#options);
    this.#all.push(state);
    return state;
  }
}
