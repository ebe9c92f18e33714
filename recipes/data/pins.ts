import type { Arch } from '../../src/core/index.ts';

/** SHA-256 of a release file by version, then by architecture. */
export type Pins = ReadonlyMap<string, Readonly<Record<Arch, string>>>;

/** Reads lines of `version amd64 arm64`, newest first. */
export function pins(table: string): Pins {
  const rows = table
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/));
  return new Map(rows.map(([version = '', amd64 = '', arm64 = '']) => [version, { amd64, arm64 }]));
}

/** The versions known, for messages. */
export function known(table: Pins): string {
  return [...table.keys()].join(', ');
}
