import type { z } from 'zod';
import type { Action } from './action.ts';
import type { Format } from './artifact.ts';
import type { Check } from './check.ts';
import type { KubernetesSpec } from './image.ts';
import type { Arch, OsDefinition } from './os.ts';
import type { PackageSetup } from './package-setup.ts';

/** What a recipe may look at. Nothing here can be asked of a machine: recipes are pure. */
export interface RecipeContext {
  readonly os: OsDefinition;
  readonly arch: Arch;
  /** Name of the driver that builds the image, `qemu`. */
  readonly driver: string;
  /** What the image is exported to. */
  readonly formats: readonly Format[];
  /** When the image has Kubernetes. */
  readonly kubernetes: KubernetesSpec | undefined;
  /** Names of all recipes of this image, in order. */
  readonly recipes: readonly string[];
}

/** A package repository beyond the distribution's own. */
export interface PackageRepository {
  /** File name without suffix: `kubernetes`. */
  readonly name: string;
  readonly title: string;
  /** Armoured OpenPGP key that signs it. */
  readonly key: string;
  readonly apt?: { readonly uri: string; readonly suite: string; readonly components: readonly string[] };
  /** For dnf, yum, tdnf and zypper. */
  readonly rpm?: {
    readonly baseurl: string;
    /** Packages a plain `dnf update` must not touch; installing them disables the exclusion. */
    readonly exclude?: readonly string[];
  };
}

export interface PackageRequest {
  readonly name: string;
  /** Version as the package manager spells it, `1.36.1-*`; without it the newest. */
  readonly version?: string;
}

/**
 * A typed replacement of an Ansible role. `repositories` and `packages` are apart from `steps`, so that the planner can install every
 * recipe's packages in one transaction. All functions are pure: same input, same output. (Methods, so that a Recipe<P> is a Recipe.)
 */
export interface Recipe<P = unknown> {
  readonly name: string;
  /** One line for `kib-native list` and the docs. */
  readonly summary: string;
  readonly params: z.ZodType<P>;
  /** Left out of an image that does not name it under `recipes`. */
  readonly optional?: boolean;
  /** Recipes that stand aside in an image that names this one, unless it names them too. */
  readonly replaces?: readonly string[];
  /** Recipes that must come earlier when they are present. */
  readonly after?: readonly string[];
  /**
   * Returns problems that only show with the whole image in view; reported with the configuration's. `path` is a setting's full one,
   * `recipes.containerd.source`, or relative to the parameters.
   */
  validate?(
    context: RecipeContext,
    params: P,
  ): readonly { readonly path: string; readonly message: string; readonly hint?: string }[];
  /**
   * Runs before repositories are added and packages installed, every recipe's in order: mirrors, proxies, subscriptions. What of it must not ship is
   * taken back by `seal`.
   */
  prepare?(context: RecipeContext, params: P): readonly Action[];
  /** How packages are installed; one recipe of an image may say so. What it changes for the build alone is taken back before `seal`. */
  packageSetup?(context: RecipeContext, params: P): PackageSetup;
  repositories?(context: RecipeContext, params: P): readonly PackageRepository[];
  packages?(context: RecipeContext, params: P): readonly PackageRequest[];
  steps(context: RecipeContext, params: P): readonly Action[];
  /** Takes back what must not ship; runs before the steps of the recipe `seal`, last recipe first. */
  seal?(context: RecipeContext, params: P): readonly Action[];
  /** Paths of files that ship because the user says so, although they look like traces of the build: a proxy that nodes use too. */
  ships?(context: RecipeContext, params: P): readonly string[];
  checks?(context: RecipeContext, params: P): readonly Check[];
  /** Facts for manifest and OVF: `CONTAINERD_VERSION`. */
  properties?(context: RecipeContext, params: P): Readonly<Record<string, string>>;
}

/** Identity function that infers the parameter type from the schema. */
export function defineRecipe<P>(recipe: Recipe<P>): Recipe<P> {
  return recipe;
}
