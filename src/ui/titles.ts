import type pc from 'picocolors';

const PALETTE = ['cyan', 'magenta', 'blue', 'yellow', 'green'] as const;

/** The colour of the n-th of several builds. */
export function titleColour(index: number, colours: ReturnType<typeof pc.createColors>): (text: string) => string {
  return colours[PALETTE[Math.max(0, index) % PALETTE.length] ?? 'cyan'];
}
