import { configError, type Download, type Place, type PrimitiveAction, type ProvisionStep } from '../core/index.ts';
import { fits } from './condition.ts';
import { SEAL } from './order.ts';
import { planStep } from './provision-steps.ts';
import type { ResolvedImage } from './resolved.ts';

export interface ProvisionPlan {
  readonly downloads: readonly Download[];
  at(place: Place): readonly PrimitiveAction[];
  after(recipe: string): readonly PrimitiveAction[];
}

/** What a step may stand next to. */
type Spot = { readonly at: Place } | { readonly after: string };

/** Name of the layer that holds the steps of a place; those of `after-seal` are part of the seal. */
export function layerOf(spot: Spot): string {
  if ('after' in spot) return `${PROVISION}-after-${spot.after}`;
  return spot.at === DEFAULT ? PROVISION : `${PROVISION}-${spot.at}`;
}

const DEFAULT: Place = 'after-recipes';
export const PROVISION = 'provision';

/** The user's own steps as actions, by where they stand. Throws KIB_CONFIG_INVALID for one that cannot stand where it says. */
export function planProvision(image: Omit<ResolvedImage, 'driver' | 'exporters'>): ProvisionPlan {
  const issues = provisionIssues(image).map(({ index, key, ...rest }) => ({ path: `provision[${index}].${key}`, ...rest }));
  if (issues.length > 0) throw configError(issues);
  const planned = image.spec.provision.flatMap((step, index) =>
    fits(step.when, image) ? [{ layer: layerOf(spotOf(step)), ...planStep(step, index, image) }] : [],
  );
  const actionsOf = (name: string) => planned.flatMap(({ layer, actions }) => (layer === name ? actions : []));
  return {
    downloads: planned.flatMap(({ downloads }) => downloads),
    at: (place) => actionsOf(layerOf({ at: place })),
    after: (recipe) => actionsOf(layerOf({ after: recipe })),
  };
}

/** What is wrong with where a step stands. */
export interface StepIssue {
  readonly index: number;
  readonly key: 'at' | 'after';
  readonly message: string;
  readonly hint: string;
}

/** What is wrong with where steps stand. Steps that are not for this image may stand anywhere. */
export function provisionIssues(image: Pick<ResolvedImage, 'os' | 'spec' | 'recipes'>): readonly StepIssue[] {
  const names = image.recipes.map(({ recipe }) => recipe.name).filter((name) => name !== SEAL);
  return image.spec.provision.flatMap((step, index): readonly StepIssue[] => {
    if (!fits(step.when, image)) return [];
    if (step.after !== undefined && step.at !== undefined)
      return [{ index, key: 'after', message: 'cannot stand beside at', hint: 'leave one of them out' }];
    if (step.after === SEAL)
      return [{ index, key: 'after', message: 'cannot be seal', hint: 'at: after-seal is right before the login is removed' }];
    if (step.after !== undefined && !names.includes(step.after)) {
      const message = `must be a recipe of this image, got ${step.after}`;
      return [{ index, key: 'after', message, hint: `it has ${names.join(', ')}` }];
    }
    const isBoot = 'reboot' in step || ('expectDisconnect' in step && step.expectDisconnect);
    if (step.at === 'after-seal' && isBoot)
      return [
        { index, key: 'at', message: 'cannot reboot after the seal', hint: 'a boot would write again what the seal removed' },
      ];
    return [];
  });
}

function spotOf({ at = DEFAULT, after }: ProvisionStep): Spot {
  return after === undefined ? { at } : { after };
}
