import type { OsDefinition } from '../core/index.ts';
import { debian12 } from './debian12.ts';
import { debian13 } from './debian13.ts';
import { rocky10 } from './rocky10.ts';
import { ubuntu2404 } from './ubuntu2404.ts';

/** Every operating system that can be built by name. To add one: write its file, add it here, run `npm run golden`. */
export const catalog: readonly OsDefinition[] = [debian12, debian13, rocky10, ubuntu2404];

/** The entry of that id, or undefined. */
export function findOs(id: string): OsDefinition | undefined {
  return catalog.find((os) => os.id === id);
}
