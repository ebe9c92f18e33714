import type { FileHandle } from 'node:fs/promises';
import { appendFile, open, readFile } from 'node:fs/promises';
import { type Journal, KibError, type Resource, systemCode } from '../core/index.ts';

/** Who writes a journal; `identity` tells the process from a later one with the same pid. */
export interface JournalOwner {
  readonly pid: number;
  readonly identity: string | undefined;
}

type Line =
  | { readonly op: 'begin'; readonly owner: JournalOwner }
  | { readonly op: 'acquire'; readonly n: number; readonly resource: Resource }
  | { readonly op: 'release'; readonly n: number }
  /** The user asked to keep the machine (--on-error keep): only an explicit `gc <build>` removes it. */
  | { readonly op: 'keep' }
  | { readonly op: 'end' }
  /** Written by gc when everything the build held is gone. */
  | { readonly op: 'collected' };

/** A build's ledger on disk: one JSON line per step, fsynced before the step is taken. */
export class BuildJournal implements Journal {
  readonly #path: string;
  readonly #file: FileHandle;
  #count = 0;
  #queue: Promise<void> = Promise.resolve();

  private constructor(path: string, file: FileHandle) {
    this.#path = path;
    this.#file = file;
  }

  /** Throws KIB_DISK_FULL, as every method does. */
  static async create(path: string, owner: JournalOwner): Promise<BuildJournal> {
    const journal = new BuildJournal(path, await open(path, 'ax', 0o600));
    await journal.#append({ op: 'begin', owner });
    return journal;
  }

  async acquire(resource: Resource): Promise<() => Promise<void>> {
    const n = ++this.#count;
    await this.#append({ op: 'acquire', n, resource });
    return () => this.#append({ op: 'release', n });
  }

  async keep(): Promise<void> {
    await this.#append({ op: 'keep' });
  }

  async close(): Promise<void> {
    await this.#append({ op: 'end' });
    await this.#file.close();
  }

  // Appends in call order, each one on disk before it resolves.
  #append(line: Line): Promise<void> {
    const write = this.#writeAfter(this.#queue, line);
    this.#queue = write.catch(() => {});
    return write;
  }

  async #writeAfter(earlier: Promise<void>, line: Line): Promise<void> {
    await earlier;
    try {
      await this.#file.write(`${JSON.stringify(line)}\n`);
      await this.#file.datasync();
    } catch (error) {
      throw writeError(this.#path, error);
    }
  }
}

function writeError(path: string, error: unknown): unknown {
  if (systemCode(error) !== 'ENOSPC' && systemCode(error) !== 'EDQUOT') return error;
  return new KibError('KIB_DISK_FULL', `no space left for ${path}`, {
    hint: 'free some space, or set XDG_STATE_HOME to another folder',
    cause: error,
  });
}

/** Records that nothing of the build is left, so that later runs see an empty ledger; the lines stay. */
export async function markCollected(path: string): Promise<void> {
  // On a line of its own, whatever a torn write left behind.
  await appendFile(path, `\n${JSON.stringify({ op: 'collected' } satisfies Line)}\n`);
}

/** What a journal says: who wrote it and what it still holds, newest first. */
export interface JournalState {
  readonly owner: JournalOwner | undefined;
  readonly held: readonly Resource[];
  readonly isKept: boolean;
  readonly isEnded: boolean;
}

/** Reads a journal. A torn last line (power loss in the middle of a write) is left out: its resource was not created yet. */
export async function readJournal(path: string): Promise<JournalState> {
  const lines = (await readFile(path, 'utf8')).split('\n').flatMap((text) => {
    try {
      return [JSON.parse(text) as Line];
    } catch {
      return [];
    }
  });
  const held = new Map<number, Resource>();
  let owner: JournalOwner | undefined;
  let isKept = false;
  let isEnded = false;
  for (const line of lines) {
    if (line.op === 'begin') owner = line.owner;
    else if (line.op === 'acquire') held.set(line.n, line.resource);
    else if (line.op === 'release') held.delete(line.n);
    else if (line.op === 'keep') isKept = true;
    else if (line.op === 'collected') held.clear();
    else isEnded = true;
  }
  return { owner, held: [...held.values()].reverse(), isKept, isEnded };
}
