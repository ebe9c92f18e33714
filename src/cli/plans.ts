import type { Configuration, ConfiguredImage } from '../config/configure.ts';
import { type BuildPlan, configError } from '../core/index.ts';
import { planBuild } from '../plan/planner.ts';

export interface Planned {
  readonly image: ConfiguredImage;
  readonly plan: BuildPlan;
}

/** Plans every image; throws when two of them would write to the same folder. */
export function planAll(configuration: Configuration): readonly Planned[] {
  const planned = configuration.images.map((image) => ({ image, plan: planBuild(image.image) }));
  const names = planned.map(({ plan }) => plan.name);
  const twice = planned.filter(({ plan }, index) => names.indexOf(plan.name) !== index);
  if (twice.length === 0) return planned;
  throw configError(
    twice.map(({ image, plan }) => ({
      path: 'name',
      source: image.merged.name,
      message: `another image is called ${plan.name} too`,
      hint: 'give one of them a name',
    })),
  );
}
