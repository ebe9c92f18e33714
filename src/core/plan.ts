import type { PlannedAction } from './action.ts';
import type { Format } from './artifact.ts';
import type { BaseSource } from './base.ts';
import type { Check } from './check.ts';
import type { PreviewLine } from './driver.ts';
import type { MachineSpec } from './machine.ts';
import type { OsDefinition } from './os.ts';
import type { PackageSetup } from './package-setup.ts';
import type { PackageRepository } from './recipe.ts';

/** One thing that a layer's key counts: an action by its id, or what the layer was told of base, machine, driver, seed or repositories. */
export interface LayerInput {
  readonly name: string;
  /** Hex SHA-256. */
  readonly digest: string;
  /** What it is, for people; absent for actions, which the layer holds. */
  readonly text?: string;
}

/** Actions that are cached and reported together: `boot` (none), `repositories` where reading what they sign is a step of its own, `packages`, then one layer per recipe. */
export interface Layer {
  readonly name: string;
  /** Hex SHA-256 over the parent's key and the inputs' digests; equal keys mean equal guests. */
  readonly key: string;
  readonly inputs: readonly LayerInput[];
  readonly actions: readonly PlannedAction[];
}

/** A file the build needs, its digest known unless `checksumUrl` is still to be read. */
export interface Requirement {
  readonly url: string;
  readonly sha256: string | undefined;
  /** Where that is all there is. */
  readonly sha512?: string;
  readonly checksumUrl: string | undefined;
  readonly why: string;
}

export interface ExportStep {
  readonly format: Format;
  readonly options: unknown;
}

/** Everything that will happen, before anything does. JSON-serialisable but for `custom` actions' functions. */
export interface BuildPlan {
  readonly v: 1;
  /** `debian13-kube-v1.36.1`: folder and file stem. */
  readonly name: string;
  readonly os: OsDefinition;
  readonly base: BaseSource;
  readonly driver: { readonly name: string; readonly options: unknown; readonly preview: readonly PreviewLine[] };
  readonly machine: MachineSpec;
  /** Names of the recipes with their resolved parameters, in order. */
  readonly recipes: readonly { readonly name: string; readonly params: unknown }[];
  readonly layers: readonly Layer[];
  /** Package repositories that the build adds to the guest's own, without double ones. */
  readonly repositories: readonly PackageRepository[];
  /** What becomes of the guest's own package repositories, when a recipe says so. */
  readonly packageSetup?: PackageSetup;
  readonly checks: readonly Check[];
  /** Runs last; its very last action removes the build's login. */
  readonly seal: readonly PlannedAction[];
  readonly exports: readonly ExportStep[];
  readonly requirements: readonly Requirement[];
  /** Files that look like traces of the build and ship all the same; absent when there are none. */
  readonly ships?: readonly string[];
  /** For manifest and OVF. */
  readonly properties: Readonly<Record<string, string>>;
}
