import type { Context, OsDefinition } from '../core/index.ts';

/** Whether the last day of free updates has come. `now` is in milliseconds since the epoch. */
export function isAtEndOfLife({ endOfLife }: Pick<OsDefinition, 'endOfLife'>, now: number): boolean {
  return endOfLife !== undefined && now >= Date.parse(endOfLife);
}

/** Warns once of an operating system that gets no more updates. */
export function warnAtEndOfLife(os: OsDefinition, { clock, span }: Pick<Context, 'clock' | 'span'>): void {
  if (!isAtEndOfLife(os, clock.now())) return;
  span.warn(
    'KIB_END_OF_LIFE',
    `${os.title} has had no free updates since ${os.endOfLife}; nodes of this image stay open to what is found from now on`,
    'kib-native list images shows what is still maintained',
  );
}
