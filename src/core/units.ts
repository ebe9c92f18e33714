/** One kibibyte, mebibyte and gibibyte, in bytes. */
export const KiB = 1024;
export const MiB = 1024 * KiB;
export const GiB = 1024 * MiB;
const TiB = 1024 * GiB;

const SIZE = /^(\d+(?:\.\d+)?)\s*(?:([KMGT])(?:i?B)?|B)?$/i;
const SCALE: Record<string, number> = { K: KiB, M: MiB, G: GiB, T: TiB };

/**
 * Bytes of a size such as `20GiB`, `512M`, `1.5G` or `4096` (bytes). Letters are binary units, as in qemu-img(1).
 * Returns undefined for anything else.
 */
export function parseSize(text: string): number | undefined {
  const match = SIZE.exec(text.trim());
  if (match === null) return undefined;
  const bytes = Number(match[1]) * (SCALE[(match[2] ?? '').toUpperCase()] ?? 1);
  return Number.isSafeInteger(Math.round(bytes)) ? Math.round(bytes) : undefined;
}

/** A size for people, in binary units with one decimal: `430.5 MiB`. */
export function formatBytes(bytes: number): string {
  for (const [unit, scale] of [
    ['TiB', TiB],
    ['GiB', GiB],
    ['MiB', MiB],
    ['KiB', KiB],
  ] as const) {
    // From where it would round up to 1024.0 of the smaller unit.
    if (bytes >= scale * (1 - 0.05 / 1024)) return `${(bytes / scale).toFixed(1)} ${unit}`;
  }
  return `${bytes} B`;
}

/** A duration for people: `850 ms`, `12.4 s`, `3 min 05 s`. */
export function formatDuration(ms: number): string {
  if (Math.round(ms) < 1000) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`;
}
