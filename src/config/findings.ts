import type { ErrorCode, ImageSpec, OsDefinition } from '../core/index.ts';
import type { MergedImage } from './merge.ts';

/** What is known of an image while it is being checked: what is right in it so far, and what is wrong. */
export interface Findings {
  readonly merged: MergedImage;
  readonly values: Partial<ImageSpec>;
  readonly os: OsDefinition | undefined;
  /** Whether the schema refused this member, so that looking further would only confuse. */
  failed(key: keyof ImageSpec): boolean;
  add(path: readonly PropertyKey[], message: string, hint?: string, code?: ErrorCode): void;
}
