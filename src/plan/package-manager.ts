import type { PackageManager, PackageRepository, PackageRequest, PackageSetup, PrimitiveAction } from '../core/index.ts';
import { apt } from './apt.ts';
import { dnf } from './dnf.ts';
import { tdnf } from './tdnf.ts';
import { yum } from './yum.ts';
import { zypper } from './zypper.ts';

/** Everything that goes into the guest at once. */
export interface Transaction {
  readonly repositories: readonly PackageRepository[];
  readonly packages: readonly PackageRequest[];
  /** Units that are started or stopped later anyway, so that their packages need not. */
  readonly settledLater: readonly string[];
  /** Whether all that is installed is brought up to date as well. */
  readonly upgrade: boolean;
}

/** What the planner asks of a package manager. Everything it returns runs as root in the guest. */
export interface PackageManagerSeam {
  /** Adds the repositories, and reads what they all hold where that is a step of its own. */
  sources(wanted: Transaction): readonly PrimitiveAction[];
  /** Installs all packages in one transaction. What `sources` does has been done. */
  transaction(wanted: Transaction): readonly PrimitiveAction[];
  /** Installs a few more later, for the `install` helper. */
  install(packages: readonly string[]): readonly PrimitiveAction[];
  /** Keeps packages at their version until somebody lifts that. */
  hold(packages: readonly string[]): readonly PrimitiveAction[];
  /** Packages that `hold` itself needs. */
  readonly holdNeeds: readonly string[];
  /** Changes the repositories that the base came with. */
  changeSources(setup: PackageSetup): readonly PrimitiveAction[];
  /** Takes that back. */
  restoreSources(setup: PackageSetup): readonly PrimitiveAction[];
}

export const packageManagers: Readonly<Record<PackageManager, PackageManagerSeam>> = { apt, dnf, yum, tdnf, zypper };
