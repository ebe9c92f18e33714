import { run } from '../process.ts';
import { SECTOR } from './gpt.ts';

export interface Esp {
  /** Raw image that holds the partition. */
  readonly image: string;
  readonly firstSector: number;
  readonly sectors: number;
  /** FAT serial number, 8 hex digits. */
  readonly serial: string;
  /** Up to 11 upper-case characters. */
  readonly label: string;
  readonly epoch: number;
  /** `EFI/BOOT/BOOTX64.EFI` → host file. */
  readonly files: ReadonlyMap<string, string>;
}

/** Makes an EFI system partition (FAT32, UEFI specification §13.3) and copies files into it; same input, same bytes. */
export async function makeEsp(esp: Esp, signal: AbortSignal): Promise<void> {
  // FAT keeps local time.
  const env = { SOURCE_DATE_EPOCH: String(esp.epoch), TZ: 'UTC', MTOOLS_SKIP_CHECK: '1' };
  const drive = `${esp.image}@@${esp.firstSector * SECTOR}`;
  await run('mkfs.vfat', mkfsArgs(esp), { env, signal });
  for (const folder of foldersOf([...esp.files.keys()])) await run('mmd', ['-i', drive, `::${folder}`], { env, signal });
  for (const [path, source] of esp.files) await run('mcopy', ['-i', drive, source, `::${path}`], { env, signal });
}

export function mkfsArgs(esp: Omit<Esp, 'files' | 'epoch'>): string[] {
  // One sector a cluster: with more a partition this small has too few clusters for FAT32.
  return [
    ['-F', '32', '-s', '1', '--invariant', '-i', esp.serial, '-n', esp.label],
    ['-h', String(esp.firstSector), '--offset', String(esp.firstSector), esp.image, String((esp.sectors * SECTOR) / 1024)],
  ].flat();
}

/** Every folder above the paths, parents first. */
export function foldersOf(paths: readonly string[]): string[] {
  const folders = paths.flatMap((path) => {
    const parts = path.split('/').slice(0, -1);
    return parts.map((_, index) => parts.slice(0, index + 1).join('/'));
  });
  return [...new Set(folders)].sort();
}
