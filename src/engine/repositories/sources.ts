import type { Arch, BuildPlan } from '../../core/index.ts';
import { type AptEntry, aptRepositories, parseDeb822, parseList } from './apt-sources.ts';
import { dnfRepositories, dnfVariables, parseRepos } from './dnf-repos.ts';
import type { SourceList } from './source.ts';

type Files = ReadonlyMap<string, string>;

/** Where the guest's packages come from: what its own files say, then what the plan adds. */
export function packageSources(plan: Pick<BuildPlan, 'os' | 'machine' | 'repositories'>, files: Files): SourceList {
  const { arch } = plan.machine;
  return plan.os.packageManager === 'apt' ? aptSources(plan, files, arch) : dnfSources(plan, files, arch);
}

function aptSources({ repositories }: Pick<BuildPlan, 'repositories'>, files: Files, arch: Arch): SourceList {
  const own = [...files].flatMap(([path, text]) => {
    if (path.endsWith('.list') && path.startsWith('/etc/apt/sources.list')) return parseList(text);
    return path.endsWith('.sources') ? parseDeb822(text) : [];
  });
  const added = repositories.flatMap(({ apt }): readonly AptEntry[] =>
    apt === undefined ? [] : [{ ...apt, architectures: [] }],
  );
  return aptRepositories([...own, ...added], arch, files);
}

function dnfSources({ repositories }: Pick<BuildPlan, 'repositories'>, files: Files, arch: Arch): SourceList {
  const own = [...files].flatMap(([path, text]) => (path.endsWith('.repo') ? parseRepos(text) : []));
  const added = repositories.flatMap(({ name, rpm }) => (rpm === undefined ? [] : [{ id: name, baseurls: [rpm.baseurl] }]));
  const vars = [...files].flatMap(([path, text]) => {
    const name = /^\/etc\/(?:dnf|yum)\/vars\/(\w+)$/.exec(path)?.[1];
    return name === undefined ? [] : [[name, text] as const];
  });
  const variables = dnfVariables(files.get('/etc/os-release') ?? '', new Map(vars), arch);
  return dnfRepositories([...own, ...added], variables);
}
