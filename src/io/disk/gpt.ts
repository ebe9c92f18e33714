import { run } from '../process.ts';

/** Bytes of a logical sector on every disk made here. */
export const SECTOR = 512;

export interface Partition {
  readonly number: number;
  readonly firstSector: number;
  readonly sectors: number;
  /** Partition type GUID (UEFI specification §5.3.3, Discoverable Partitions Specification). */
  readonly type: string;
  /** Unique partition GUID. */
  readonly guid: string;
  readonly name: string;
}

export interface PartitionTable {
  /** Disk GUID. */
  readonly guid: string;
  readonly partitions: readonly Partition[];
}

export const PARTITION_TYPES = {
  biosBoot: '21686148-6449-6E6F-744E-656564454649',
  esp: 'C12A7328-F81F-11D2-BA4B-00A0C93EC93B',
  rootAmd64: '4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709',
  rootArm64: 'B921B045-1DF0-41C3-AF44-4C6F280D3FAE',
} as const;

/** Input of sfdisk(8) that names every value a GPT holds, so that nothing in the table is random. */
export function sfdiskScript(table: PartitionTable): string {
  const lines = table.partitions.map(
    (partition) =>
      `${partition.number} : start=${partition.firstSector}, size=${partition.sectors}, ` +
      `type=${partition.type}, uuid=${partition.guid}, name="${partition.name}"`,
  );
  return ['label: gpt', `label-id: ${table.guid}`, 'unit: sectors', ...lines, ''].join('\n');
}

/** Writes a GPT with its protective MBR into a raw image file of the right length. */
export async function writePartitionTable(image: string, table: PartitionTable, signal: AbortSignal): Promise<void> {
  await run('sfdisk', ['--quiet', '--no-reread', '--no-tell-kernel', '--wipe=always', image], {
    input: sfdiskScript(table),
    signal,
  });
}
