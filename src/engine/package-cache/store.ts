import { createHash, randomBytes } from 'node:crypto';
import { type FileHandle, mkdir, open, readFile, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, MiB, sha256, systemCode } from '../../core/index.ts';

/** One address whose bytes are kept. */
export interface StoredFile {
  readonly url: string;
  readonly sha256: string;
  readonly bytes: number;
  readonly etag?: string;
  readonly lastModified?: string;
  readonly contentType?: string;
  /** A package manager failed with it: its server must confirm it before it is served again. */
  readonly isDoubted?: true;
}

/** Bytes that were verified just now. The holder closes the handle. */
export interface OpenFile {
  readonly file: StoredFile;
  readonly handle: FileHandle;
}

/**
 * Packages and repository indexes by their address: `urls/<sha256 of the address>.json` names a file `files/<sha256 of its bytes>`, whose
 * modification time is when it was last used. Either may be removed at any time; a file that changed is found when it is opened.
 */
export class PackageStore {
  readonly folder: string;
  readonly #staging: string;
  readonly #clock: Clock;

  private constructor(folder: string, staging: string, clock: Clock) {
    this.folder = folder;
    this.#staging = staging;
    this.#clock = clock;
  }

  /** `staging` exists on the same file system, and whoever made it removes it. */
  static async open(folder: string, staging: string, clock: Clock): Promise<PackageStore> {
    for (const name of ['files', 'urls']) await mkdir(join(folder, name), { recursive: true });
    return new PackageStore(folder, staging, clock);
  }

  /** A new path for bytes that are to be added. */
  newPath(): string {
    return join(this.#staging, randomBytes(8).toString('hex'));
  }

  /** What is known of an address; whether the bytes are there and right only shows with `read`. */
  async find(url: string): Promise<StoredFile | undefined> {
    try {
      const record = JSON.parse(await readFile(this.#record(url), 'utf8')) as Partial<StoredFile>;
      const { bytes } = record;
      const isWhole = record.url === url && /^[0-9a-f]{64}$/.test(String(record.sha256)) && typeof bytes === 'number';
      return isWhole ? (record as StoredFile) : undefined;
    } catch {
      return undefined;
    }
  }

  /** Opens the bytes once they turn out to be the ones that were stored; else forgets them. */
  async read(file: StoredFile): Promise<OpenFile | undefined> {
    const path = this.#content(file.sha256);
    let handle: FileHandle;
    try {
      handle = await open(path);
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw error;
      await rm(this.#record(file.url), { force: true });
      return undefined;
    }
    try {
      if ((await digestOf(handle)) !== file.sha256) {
        await rm(path, { force: true });
        await rm(this.#record(file.url), { force: true });
        await handle.close();
        return undefined;
      }
      const now = this.#clock.now() / 1000;
      await utimes(path, now, now).catch(() => {});
      return { file, handle };
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Takes a complete file over. */
  async add(file: StoredFile, path: string): Promise<void> {
    await rename(path, this.#content(file.sha256));
    await this.#write(file);
  }

  /** A note of ours about an address. */
  async writeNote(url: string, text: string): Promise<void> {
    const path = this.newPath();
    await writeFile(path, text, { mode: 0o600 });
    await this.add({ url: noteUrl(url), sha256: sha256(text), bytes: Buffer.byteLength(text) }, path);
  }

  async readNote(url: string): Promise<string | undefined> {
    const file = await this.find(noteUrl(url));
    const opened = file === undefined ? undefined : await this.read(file);
    if (opened === undefined) return undefined;
    await using handle = opened.handle;
    return await handle.readFile('utf8');
  }

  /** Makes the next one who wants this address ask its server. */
  async doubt(url: string): Promise<void> {
    const file = await this.find(url);
    if (file !== undefined) await this.#write({ ...file, isDoubted: true });
  }

  /** Its server confirmed it. */
  async trust(url: string): Promise<void> {
    const file = await this.find(url);
    if (file === undefined) return;
    const { isDoubted: _, ...trusted } = file;
    await this.#write(trusted);
  }

  async #write(file: StoredFile): Promise<void> {
    const fresh = this.newPath();
    await writeFile(fresh, JSON.stringify(file), { mode: 0o600 });
    await rename(fresh, this.#record(file.url));
  }

  #record(url: string): string {
    return join(this.folder, 'urls', `${sha256(url)}.json`);
  }

  #content(digest: string): string {
    return join(this.folder, 'files', digest);
  }
}

/** No address of a file: those have no scheme of ours. */
function noteUrl(url: string): string {
  return `kib-note:${url}`;
}

async function digestOf(handle: FileHandle): Promise<string> {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(MiB);
  for (let position = 0; ; ) {
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, position);
    if (bytesRead === 0) return hash.digest('hex');
    hash.update(buffer.subarray(0, bytesRead));
    position += bytesRead;
  }
}
