import {
  type ConfigIssue,
  configError,
  type OsDefinition,
  type PackageRepository,
  type PackageRequest,
  type PackageSetup,
  type PrimitiveAction,
  type RecipeContext,
} from '../core/index.ts';
import { rebootIntoNewKernel } from './kernel.ts';
import { packageManagers } from './package-manager.ts';
import type { ChosenRecipe } from './resolved.ts';

export interface PackagesPlan {
  readonly repositories: readonly PackageRepository[];
  readonly setup: PackageSetup | undefined;
  /** What comes before everything else, recipes' `prepare` too. */
  readonly before: readonly PrimitiveAction[];
  /** Makes the repositories known. */
  readonly sources: readonly PrimitiveAction[];
  /** Installs everything from them. */
  readonly actions: readonly PrimitiveAction[];
  /** What takes back what `before` did. */
  readonly after: readonly PrimitiveAction[];
}

/**
 * The layers `repositories` and `packages`: every recipe's repositories, and every recipe's packages in one transaction. Nothing when nobody wants any. Throws
 * KIB_RECIPE_INVALID when recipes contradict each other.
 */
export function planPackages(chosen: readonly ChosenRecipe[], context: RecipeContext): PackagesPlan {
  const manager = packageManagers[context.os.packageManager];
  const repositories = chosen.flatMap(({ recipe, params }) => recipe.repositories?.(context, params) ?? []);
  const requests = chosen.flatMap(({ recipe, params }) => recipe.packages?.(context, params) ?? []);
  const steps = chosen.flatMap(({ recipe, params }) => recipe.steps(context, params));
  const isHolding = steps.some(({ kind }) => kind === 'hold');
  const settledLater = steps.flatMap((step) => (step.kind === 'service' && step.state !== undefined ? step.unit : []));
  const needed = isHolding ? manager.holdNeeds.map((name) => ({ name })) : [];
  const issues: ConfigIssue[] = [];
  const packages = mergeRequests([...requests, ...needed], issues);
  const setups = chosen.flatMap(({ recipe, params }) => recipe.packageSetup?.(context, params) ?? []);
  if (setups.length > 1) issues.push({ path: 'recipes', message: 'more than one says how packages are installed' });
  const [setup] = setups;
  const distinct = mergeRepositories(repositories, context.os, issues);
  if (issues.length > 0) throw configError(issues, 'KIB_RECIPE_INVALID');
  const upgrade = setup?.upgrade === true;
  const wanted = { repositories: distinct, packages, settledLater, upgrade };
  return {
    repositories: distinct,
    setup,
    before: setup === undefined ? [] : manager.changeSources(setup),
    sources: manager.sources(wanted),
    actions: [...manager.transaction(wanted), ...(upgrade ? [rebootIntoNewKernel] : [])],
    after: setup === undefined ? [] : manager.restoreSources(setup),
  };
}

/** The actions with the variables of a package setup for those that install packages. */
export function withPackageEnvironment(
  actions: readonly PrimitiveAction[],
  setup: PackageSetup | undefined,
): readonly PrimitiveAction[] {
  const environment = setup?.environment;
  if (environment === undefined) return actions;
  return actions.map((action) =>
    action.kind === 'exec' && action.packages === true
      ? { ...action, environment: { ...environment, ...action.environment } }
      : action,
  );
}

/** One request per package, by name, so that the order of recipes does not change the layer's key. */
function mergeRequests(requests: readonly PackageRequest[], issues: ConfigIssue[]): readonly PackageRequest[] {
  const names = [...new Set(requests.map(({ name }) => name))].sort();
  return names.map((name) => {
    const versions = [...new Set(requests.flatMap((request) => (request.name === name ? (request.version ?? []) : [])))];
    const [version] = versions;
    if (versions.length > 1)
      issues.push({ path: 'recipes', message: `want ${name} in different versions: ${versions.join(', ')}` });
    return version === undefined ? { name } : { name, version };
  });
}

function mergeRepositories(
  repositories: readonly PackageRepository[],
  os: OsDefinition,
  issues: ConfigIssue[],
): readonly PackageRepository[] {
  const byName = new Map<string, PackageRepository>();
  for (const repository of repositories) {
    const other = byName.get(repository.name);
    if (other !== undefined && JSON.stringify(other) !== JSON.stringify(repository)) {
      issues.push({ path: 'recipes', message: `want the package repository ${repository.name} in different ways` });
    }
    if ((os.packageManager === 'apt' ? repository.apt : repository.rpm) === undefined) {
      issues.push({ path: 'recipes', message: `the package repository ${repository.name} has nothing for ${os.packageManager}` });
    }
    byName.set(repository.name, repository);
  }
  if (os.packageManager === 'apt') issues.push(...sameSources([...byName.values()]));
  return [...byName.values()];
}

/** One source with two keyrings is refused by apt as a whole: "Conflicting values set for option Signed-By" (apt-pkg/deb/debmetaindex.cc). */
function sameSources(repositories: readonly PackageRepository[]): readonly ConfigIssue[] {
  const names = new Map<string, string>();
  return repositories.flatMap(({ name, apt }) => {
    if (apt === undefined) return [];
    const source = `${apt.uri.replace(/\/*$/, '')} ${apt.suite}`;
    const other = names.get(source);
    names.set(source, name);
    return other === undefined
      ? []
      : [{ path: 'recipes', message: `${other} and ${name} are the same package repository: ${source}` }];
  });
}
