import { type Finding, type HostPackages, KibError, quote } from '../core/index.ts';

/** Package managers of hosts that doctor can install with. */
export type HostManager = keyof HostPackages;

/** What tells hosts apart; `has` says whether a program is on the search path. */
export interface HostFacts {
  readonly platform: NodeJS.Platform;
  /** Text of /etc/os-release (os-release(5)); empty where there is none. */
  readonly osRelease: string;
  has(program: string): Promise<boolean>;
}

const PROGRAMS: Readonly<Record<HostManager, string>> = { apt: 'apt-get', dnf: 'dnf', brew: 'brew' };

/** The package manager of this host, or undefined: what os-release says, if its program is there, else whichever program is. */
export async function detectManager(host: HostFacts): Promise<HostManager | undefined> {
  const ids = /^(?:ID|ID_LIKE)=(.*)$/gm;
  const words = [...host.osRelease.matchAll(ids)].flatMap((match) => (match[1] ?? '').replaceAll(/["']/g, '').split(/\s+/));
  const isLike = (...names: readonly string[]) => names.some((name) => words.includes(name));
  const likely: readonly HostManager[] =
    host.platform === 'darwin'
      ? ['brew']
      : isLike('debian', 'ubuntu')
        ? ['apt', 'dnf', 'brew']
        : isLike('fedora', 'rhel', 'centos')
          ? ['dnf', 'apt', 'brew']
          : ['apt', 'dnf', 'brew'];
  for (const manager of likely) if (await host.has(PROGRAMS[manager])) return manager;
  return undefined;
}

/** Packages that the findings ask for, each once, in a steady order. */
export function wantedPackages(findings: readonly Finding[], manager: HostManager): readonly string[] {
  const names = findings.filter(({ status }) => status !== 'ok').flatMap(({ packages }) => packages?.[manager] ?? []);
  return [...new Set(names)].sort();
}

export interface InstallCommand {
  readonly argv: readonly string[];
  /** A failure is told but does not stop: a package list that cannot be refreshed may still be good enough. */
  readonly isOptional: boolean;
}

/** What to run to install packages; everything answers its own questions. */
export function installCommands(
  manager: HostManager,
  packages: readonly string[],
  rights: { readonly isRoot: boolean },
): readonly InstallCommand[] {
  const asRoot = rights.isRoot || manager === 'brew' ? [] : ['sudo'];
  const required = (...argv: readonly string[]): InstallCommand => ({ argv: [...asRoot, ...argv], isOptional: false });
  if (manager === 'brew') return [required('brew', 'install', ...packages)];
  // Not strict: a package that this release does not have must not keep the others out.
  if (manager === 'dnf') return [required('dnf', 'install', '-y', '--setopt=strict=0', ...packages)];
  const apt = ['env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', '-q', '-o', 'DPkg::Lock::Timeout=120'];
  return [
    { argv: [...asRoot, ...apt, 'update'], isOptional: true },
    required(...apt, 'install', '-y', '--no-install-recommends', ...packages),
  ];
}

export interface InstallRequest {
  readonly findings: readonly Finding[];
  readonly host: HostFacts;
  readonly isRoot: boolean;
  /** Runs a command, its output shown; rejects when it fails. */
  readonly run: (argv: readonly string[]) => Promise<void>;
  /** Says what is being done. */
  readonly say: (line: string) => void;
}

/**
 * Installs what findings lack and returns the packages. Throws KIB_INSTALL_FAILED, with the command to type, when there is no package
 * manager, no right to use it, or it fails.
 */
export async function installMissing(request: InstallRequest): Promise<readonly string[]> {
  const { findings, host, isRoot, run, say } = request;
  if (findings.every(({ status, packages }) => status === 'ok' || packages === undefined)) return [];
  const manager = await detectManager(host);
  if (manager === undefined) {
    throw new KibError('KIB_INSTALL_FAILED', 'this host has none of apt, dnf and brew', {
      hint: `install these by hand: ${[...new Set(findings.filter(({ status }) => status !== 'ok').map(({ name }) => name))].join(', ')}`,
    });
  }
  const packages = wantedPackages(findings, manager);
  if (packages.length === 0) return [];
  const commands = installCommands(manager, packages, { isRoot });
  const byHand = commands
    .map(({ argv }) =>
      argv
        .filter((word) => word !== 'sudo')
        .map(quote)
        .join(' '),
    )
    .join(' && ');
  if (commands.some(({ argv }) => argv[0] === 'sudo') && !(await host.has('sudo'))) {
    throw new KibError('KIB_INSTALL_FAILED', 'packages can only be installed by root, and there is no sudo', {
      hint: `as root: ${byHand}`,
    });
  }
  for (const { argv, isOptional } of commands) {
    say(`$ ${argv.map(quote).join(' ')}`);
    try {
      await run(argv);
    } catch (error) {
      if (isOptional && (error as { name?: string }).name === 'CommandError') continue;
      if (error instanceof KibError && error.class === 'cancelled') throw error;
      throw new KibError('KIB_INSTALL_FAILED', `${manager} could not install ${packages.join(' ')}`, {
        hint: byHand,
        cause: error,
      });
    }
  }
  return packages;
}

/**
 * Installs what the checks lack, then what only shows after that: an installed QEMU tells which firmware it lacks. Returns the last look.
 * Throws what installMissing throws.
 */
export async function installUntilNothingNew<T extends { readonly findings: readonly Finding[] }>(
  look: () => Promise<readonly T[]>,
  request: Omit<InstallRequest, 'findings'>,
): Promise<readonly T[]> {
  const tried = new Set<string>();
  for (;;) {
    const checks = await look();
    const findings = checks.flatMap((check) => check.findings).filter(({ name, status }) => status !== 'ok' && !tried.has(name));
    const installed = await installMissing({ ...request, findings });
    if (installed.length === 0) return checks;
    for (const { name } of findings) tried.add(name);
  }
}
