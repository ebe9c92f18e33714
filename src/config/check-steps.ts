import type { ImageSpec } from '../core/index.ts';
import { provisionIssues } from '../plan/provision.ts';
import type { ChosenRecipe } from '../plan/resolved.ts';
import type { Findings } from './findings.ts';
import { didYouMean } from './nearest.ts';
import { osNamed, osNameHint } from './os-names.ts';
import type { Registry } from './schema.ts';

/** Adds a problem for each step of the user's that names what does not exist, or stands where it cannot. */
export function checkSteps(found: Findings, { catalog, drivers }: Registry, recipes: readonly ChosenRecipe[] | undefined): void {
  const { values, os } = found;
  if (found.failed('provision') || values.provision === undefined) return;
  const names = drivers.map(({ name }) => name);
  for (const [index, { when }] of values.provision.entries()) {
    for (const name of [when?.os ?? []].flat().filter((name) => osNamed(catalog, name) === undefined))
      found.add(
        ['provision', index, 'when', 'os'],
        `is no operating system of the catalog, got ${name}`,
        osNameHint(catalog, name),
      );
    for (const name of [when?.driver ?? []].flat().filter((name) => !names.includes(name)))
      found.add(
        ['provision', index, 'when', 'driver'],
        `must be one of ${names.join(', ')}, got ${name}`,
        didYouMean(name, names),
      );
  }
  const isKnown = !(['arch', 'driver', 'formats', 'kubernetes'] as const).some((key) => found.failed(key));
  if (os === undefined || recipes === undefined || !isKnown) return;
  for (const { index, key, message, hint } of provisionIssues({ os, spec: values as ImageSpec, recipes })) {
    found.add(['provision', index, key], message, hint);
  }
}
