import type { Condition } from '../core/index.ts';
import { recipeContext } from './recipe-context.ts';
import type { ResolvedImage } from './resolved.ts';

/** Whether an image is what a step of the user's asks for; a step that asks for nothing fits every one. */
export function fits(when: Condition | undefined, image: Pick<ResolvedImage, 'os' | 'spec' | 'recipes'>): boolean {
  if (when === undefined) return true;
  const { os, arch, driver, formats, kubernetes } = recipeContext(image);
  return (
    isOneOf([os.id, ...os.aliases], when.os) &&
    isOneOf([os.family], when.family) &&
    isOneOf([arch], when.arch) &&
    isOneOf([driver], when.driver) &&
    isOneOf(formats, when.format) &&
    hasKubernetes(kubernetes?.version, when.kubernetes)
  );
}

function isOneOf(values: readonly string[], wanted: string | readonly string[] | undefined): boolean {
  return wanted === undefined || [wanted].flat().some((value) => values.includes(value));
}

/** `v1.36` stands for every release of it, release candidates too. */
function hasKubernetes(version: string | undefined, wanted: Condition['kubernetes']): boolean {
  if (wanted === undefined) return true;
  if (typeof wanted === 'boolean') return wanted === (version !== undefined);
  return version !== undefined && [wanted].flat().some((release) => version === release || version.startsWith(`${release}.`));
}
