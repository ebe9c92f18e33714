import type { PackageManager, PackageRepository, PackageRequest, PrimitiveAction } from '../core/index.ts';
import { apt } from './apt.ts';
import { dnf } from './dnf.ts';

/** What the planner asks of a package manager. Everything it returns runs as root in the guest. */
export interface PackageManagerSeam {
  /** Adds the repositories and installs all packages in one transaction. It need not start units that are started or stopped later anyway. */
  transaction(
    repositories: readonly PackageRepository[],
    packages: readonly PackageRequest[],
    settledLater: readonly string[],
  ): readonly PrimitiveAction[];
  /** Installs a few more later, for the `install` helper. */
  install(packages: readonly string[]): readonly PrimitiveAction[];
  /** Keeps packages at their version until somebody lifts that. */
  hold(packages: readonly string[]): readonly PrimitiveAction[];
  /** Packages that `hold` itself needs. */
  readonly holdNeeds: readonly string[];
}

export const packageManagers: Readonly<Record<PackageManager, PackageManagerSeam>> = {
  apt,
  dnf,
  yum: dnf,
  tdnf: dnf,
  zypper: dnf,
};
