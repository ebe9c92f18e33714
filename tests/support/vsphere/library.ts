import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { invalid, localizable, notFound, wrongState } from './refusal.ts';

export interface Item {
  readonly id: string;
  name: string;
  readonly library: string;
  readonly type: string;
  /** Of an OVF or ISO item: its files are in the item's folder. */
  readonly files: string[];
  /** Of a template item: its machine. */
  readonly vm?: string;
  version: number;
}

interface UpdateSession {
  readonly id: string;
  readonly item: string;
  readonly files: Map<string, number | undefined>;
  state: 'ACTIVE' | 'DONE' | 'ERROR' | 'CANCELED';
  error: string | undefined;
  /** How often it is still asked for before it is done; undefined until it is completed. */
  left: number | undefined;
}

interface DownloadSession {
  readonly id: string;
  readonly item: string;
  readonly prepared: Map<string, number>;
}

/** The content library of the fake: items with real files below `dir`. */
export class FakeLibrary {
  readonly libraries = new Map<string, string>();
  readonly items = new Map<string, Item>();
  readonly updates = new Map<string, UpdateSession>();
  readonly downloads = new Map<string, DownloadSession>();
  readonly #dir: string;
  /** Makes the next uploads fail when they are completed. */
  failing: string | undefined;

  constructor(dir: string) {
    this.#dir = dir;
  }

  folderOf(item: string): string {
    return join(this.#dir, item);
  }

  item(id: string): Item {
    const item = this.items.get(id);
    if (item === undefined) throw notFound(`The library item ${id}`);
    return item;
  }

  async add(library: string, name: string, type: string, vm?: string): Promise<Item> {
    if (!this.libraries.has(library)) throw notFound(`The library ${library}`);
    if ([...this.items.values()].some((item) => item.name === name && item.library === library)) {
      throw invalid(`A library item with the name ${name} already exists.`);
    }
    const item: Item = { id: randomUUID(), name, library, type, files: [], version: 1, ...(vm === undefined ? {} : { vm }) };
    this.items.set(item.id, item);
    await mkdir(this.folderOf(item.id), { recursive: true });
    return item;
  }

  async remove(id: string): Promise<void> {
    const item = this.item(id);
    if ([...this.updates.values()].some((session) => session.item === id && session.state === 'ACTIVE')) {
      throw wrongState('The library item is in use by an update session.');
    }
    this.items.delete(id);
    await rm(this.folderOf(item.id), { recursive: true, force: true });
  }

  openUpdate(item: string): string {
    this.item(item);
    const id = randomUUID();
    this.updates.set(id, { id, item, files: new Map(), state: 'ACTIVE', error: undefined, left: undefined });
    return id;
  }

  update(id: string): UpdateSession {
    const session = this.updates.get(id);
    if (session === undefined) throw notFound(`The update session ${id}`);
    return session;
  }

  /** The file as a session of either kind gives it. */
  pathOf(session: string, name: string): string {
    const item = this.updates.get(session)?.item ?? this.downloads.get(session)?.item;
    if (item === undefined || name.includes('/')) throw notFound(`The session ${session}`);
    return join(this.folderOf(item), this.updates.has(session) ? `.upload-${name}` : name);
  }

  /** Files that the OVF names but nobody sent, or that are shorter than was said. */
  async missing({ item, files }: UpdateSession): Promise<readonly string[]> {
    const missing: string[] = [];
    for (const [name, size] of files) {
      const found = await stat(join(this.folderOf(item), `.upload-${name}`)).catch(() => undefined);
      if (found === undefined || (size !== undefined && found.size !== size)) missing.push(name);
    }
    if (this.item(item).type !== 'ovf') return missing;
    const ovf = [...files.keys()].find((name) => name.endsWith('.ovf'));
    return ovf === undefined ? [...missing, 'an .ovf descriptor'] : missing;
  }

  /** Takes in what was sent, as the session says when it is asked. */
  async settle(session: UpdateSession): Promise<void> {
    if (session.state !== 'ACTIVE' || session.left === undefined) return;
    if (session.left > 0) {
      session.left -= 1;
      return;
    }
    if (this.failing !== undefined) {
      session.state = 'ERROR';
      session.error = this.failing;
      return;
    }
    const item = this.item(session.item);
    for (const name of session.files.keys()) {
      await rename(join(this.folderOf(item.id), `.upload-${name}`), join(this.folderOf(item.id), name));
      item.files.push(name);
    }
    item.version += 1;
    session.state = 'DONE';
  }

  describeUpdate({ id, item, state, error }: UpdateSession): unknown {
    return {
      id,
      library_item_id: item,
      state,
      client_progress: 0,
      ...(error === undefined ? {} : { error_message: localizable(error) }),
    };
  }

  openDownload(item: string): string {
    this.item(item);
    const id = randomUUID();
    this.downloads.set(id, { id, item, prepared: new Map() });
    return id;
  }

  download(id: string): DownloadSession {
    const session = this.downloads.get(id);
    if (session === undefined) throw notFound(`The download session ${id}`);
    return session;
  }

  /** PREPARED the second time it is asked for after `prepare`. */
  async describeDownload(session: DownloadSession, name: string, origin: string): Promise<unknown> {
    const path = join(this.folderOf(session.item), name);
    if (!this.item(session.item).files.includes(name)) throw notFound(`The file ${name}`);
    const asked = session.prepared.get(name);
    if (asked !== undefined) session.prepared.set(name, asked + 1);
    const isPrepared = asked !== undefined && asked > 1;
    return {
      name,
      size: (await stat(path)).size,
      bytes_transferred: 0,
      status: asked === undefined ? 'UNPREPARED' : isPrepared ? 'PREPARED' : 'PREPARING',
      ...(isPrepared ? { download_endpoint: { uri: `${origin}/cls/data/${session.id}/${encodeURIComponent(name)}` } } : {}),
    };
  }
}

/** SHA-256 of a file, for manifests. */
export async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
