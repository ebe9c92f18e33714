import type { Arch, BuildPlan } from '../../core/index.ts';
import { type AptEntry, aptRepositories, parseDeb822, parseList } from './apt-sources.ts';
import { dnfRepositories, dnfVariables, parseRepos } from './dnf-repos.ts';
import type { SourceList } from './source.ts';

type Files = ReadonlyMap<string, string>;

type Plan = Pick<BuildPlan, 'repositories' | 'packageSetup'>;

/** Where the guest's packages come from: what its own files say, as far as the plan leaves them alone, then what the plan adds. */
export function packageSources(plan: Plan & Pick<BuildPlan, 'os' | 'machine'>, files: Files): SourceList {
  const { arch } = plan.machine;
  return plan.os.packageManager === 'apt' ? aptSources(plan, files, arch) : dnfSources(plan, files, arch);
}

function aptSources({ repositories, packageSetup }: Plan, files: Files, arch: Arch): SourceList {
  const own = usedFiles(files, packageSetup).flatMap(([path, text]) => {
    if (path.endsWith('.list') && path.startsWith('/etc/apt/sources.list')) return parseList(text);
    return path.endsWith('.sources') ? parseDeb822(text) : [];
  });
  const added = repositories.flatMap(({ apt }): readonly AptEntry[] =>
    apt === undefined ? [] : [{ ...apt, architectures: [] }],
  );
  return aptRepositories([...own, ...added], arch, files);
}

function dnfSources({ repositories, packageSetup }: Plan, files: Files, arch: Arch): SourceList {
  const { baseurls = {} } = packageSetup ?? {};
  const own = usedFiles(files, packageSetup)
    .flatMap(([path, text]) => (path.endsWith('.repo') ? parseRepos(text) : []))
    .map((repo) => {
      const url = baseurls[repo.id];
      return url === undefined ? repo : { id: repo.id, baseurls: [url] };
    });
  const added = repositories.flatMap(({ name, rpm }) => (rpm === undefined ? [] : [{ id: name, baseurls: [rpm.baseurl] }]));
  const vars = [...files].flatMap(([path, text]) => {
    const name = /^\/etc\/(?:dnf|yum)\/vars\/(\w+)$/.exec(path)?.[1];
    return name === undefined ? [] : [[name, text] as const];
  });
  const variables = dnfVariables(files.get('/etc/os-release') ?? '', new Map(vars), arch);
  return dnfRepositories([...own, ...added], variables);
}

/** The guest's files, and those that it gets. */
function usedFiles(files: Files, setup: BuildPlan['packageSetup']): readonly (readonly [path: string, text: string])[] {
  const added = (setup?.files ?? []).map(({ path, text }) => [path, text] as const);
  return [...(setup?.disabled === true ? [] : files), ...added];
}
