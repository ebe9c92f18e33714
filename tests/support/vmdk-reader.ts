import { inflateSync } from 'node:zlib';

/** What a streamOptimized VMDK holds, read twice: by its tables, and from the front as an importer does that streams. */
export interface VmdkContent {
  readonly descriptor: string;
  readonly byTables: Buffer;
  readonly byStream: Buffer;
  /** Kinds of records in the order they lie in the file: a run of grains is one `grains`. */
  readonly records: readonly string[];
  readonly grains: number;
}

const SECTOR = 512;
const KINDS = ['end of stream', 'grain table', 'grain directory', 'footer'];

/**
 * An independent reader after VMware's Virtual Disk Format technical note; it shares no code with the writer. Throws where the file is not
 * as the note says.
 */
export function readVmdk(file: Buffer): VmdkContent {
  const header = file.subarray(0, SECTOR);
  const footer = file.subarray(-2 * SECTOR, -SECTOR);
  check(file.length % SECTOR === 0, 'whole sectors');
  check(header.readBigUInt64LE(56) === 2n ** 64n - 1n, 'the header says that the directory is at the end');
  const restOf = (sector: Buffer): string => sector.toString('hex', 0, 56) + sector.toString('hex', 64);
  check(restOf(header) === restOf(footer), 'header and footer differ in the place of the directory alone');
  const capacity = Number(header.readBigUInt64LE(12)) * SECTOR;
  const descriptorAt = Number(header.readBigUInt64LE(28)) * SECTOR;
  const descriptorEnd = descriptorAt + Number(header.readBigUInt64LE(36)) * SECTOR;
  return {
    descriptor: file.toString('utf8', descriptorAt, descriptorEnd).replace(/\0+$/, ''),
    byTables: readTables(file, footer, capacity),
    ...readStream(file, Number(header.readBigUInt64LE(64)) * SECTOR, capacity),
  };
}

function readTables(file: Buffer, footer: Buffer, capacity: number): Buffer {
  const grainBytes = Number(footer.readBigUInt64LE(20)) * SECTOR;
  const entries = footer.readUInt32LE(44);
  const directory = Number(footer.readBigUInt64LE(56)) * SECTOR;
  const disk = Buffer.alloc(Math.ceil(capacity / grainBytes) * grainBytes);
  for (let grain = 0; grain * grainBytes < capacity; grain++) {
    const table = file.readUInt32LE(directory + Math.floor(grain / entries) * 4) * SECTOR;
    const at = table === 0 ? 0 : file.readUInt32LE(table + (grain % entries) * 4) * SECTOR;
    if (at !== 0) readGrain(file, at, grainBytes).copy(disk, grain * grainBytes);
  }
  return disk.subarray(0, capacity);
}

function readStream(file: Buffer, start: number, capacity: number): Pick<VmdkContent, 'byStream' | 'records' | 'grains'> {
  const grainBytes = 128 * SECTOR;
  const disk = Buffer.alloc(Math.ceil(capacity / grainBytes) * grainBytes);
  const records: string[] = [];
  let grains = 0;
  let last = -1;
  for (let at = start; at < file.length; ) {
    const bytes = file.readUInt32LE(at + 8);
    if (bytes > 0) {
      const sector = Number(file.readBigUInt64LE(at));
      check(sector > last, 'grains are in order');
      last = sector;
      readGrain(file, at, grainBytes).copy(disk, sector * SECTOR);
      at += Math.ceil((12 + bytes) / SECTOR) * SECTOR;
      grains++;
      if (records.at(-1) !== 'grains') records.push('grains');
    } else {
      const kind = KINDS[file.readUInt32LE(at + 12)];
      check(kind !== undefined, 'a known marker');
      records.push(kind ?? '');
      at += (1 + Number(file.readBigUInt64LE(at))) * SECTOR;
      check(kind !== 'end of stream' || at === file.length, 'the end is the end');
    }
  }
  return { byStream: disk.subarray(0, capacity), records, grains };
}

function readGrain(file: Buffer, at: number, grainBytes: number): Buffer {
  const grain = inflateSync(file.subarray(at + 12, at + 12 + file.readUInt32LE(at + 8)));
  check(grain.length === grainBytes, 'a whole grain');
  return grain;
}

function check(isTrue: boolean, what: string): void {
  if (!isTrue) throw new Error(`not a proper VMDK: ${what}`);
}
