import type { PackageManager, RecipeContext } from '../../src/core/index.ts';
import { epelRepository } from './epel.ts';
import type { SetupParams, Subscription } from './params.ts';

interface Problem {
  readonly path: string;
  readonly message: string;
  readonly hint?: string;
}

/** What cannot be, before anything starts. */
export function setupProblems({ os }: RecipeContext, params: SetupParams): readonly Problem[] {
  const isApt = os.packageManager === 'apt';
  return [
    ...mirrorProblems(os.distribution, isApt, params),
    ...params.repositories.flatMap((repository, index) => {
      const path = `repositories.${index}`;
      if ('file' in repository) {
        const wanted = isApt ? /\.(list|sources)$/ : /\.repo$/;
        if (wanted.test(repository.file.path)) return [];
        return [{ path: `${path}.file`, message: `is not a file that ${os.packageManager} reads: ${repository.file.path}` }];
      }
      if ((isApt ? repository.apt : repository.rpm) !== undefined) return [];
      return [{ path, message: `has nothing for ${os.packageManager}`, hint: `set ${isApt ? 'apt.uri' : 'rpm.baseurl'}` }];
    }),
    ...(params.epel && epelRepository(os).length === 0
      ? [{ path: 'epel', message: `has no release for ${os.title}`, hint: 'add the one that fits under repositories' }]
      : []),
    ...(params.rhel === undefined ? [] : subscriptionProblems(os.distribution, params.rhel)),
    ...(params.proxy?.keep === true ? keptProxyProblems(os.packageManager, params.proxy.noProxy) : []),
  ];
}

function mirrorProblems(distribution: string, isApt: boolean, { mirror, disable }: SetupParams): readonly Problem[] {
  if (mirror === undefined) return [];
  if (disable)
    return [{ path: 'mirror', message: 'is for the repositories that disable turns off', hint: 'leave one of them out' }];
  if (!isApt) {
    if (mirror.repositories !== undefined && mirror.main === undefined && mirror.security === undefined) return [];
    return [
      { path: 'mirror', message: 'needs repositories, and nothing of apt', hint: 'a base URL for each id: baseos, appstream' },
    ];
  }
  if (mirror.main === undefined || mirror.repositories !== undefined) {
    return [{ path: 'mirror', message: 'needs main, and nothing of rpm', hint: 'the address of the archive' }];
  }
  if (distribution === 'ubuntu' || mirror.security !== undefined) return [];
  return [{ path: 'mirror.security', message: 'is required on Debian, whose security updates are an archive of their own' }];
}

function subscriptionProblems(distribution: string, subscription: Subscription): readonly Problem[] {
  const { org, activationKey, user, password } = subscription;
  const byKey = org !== undefined && activationKey !== undefined && user === undefined && password === undefined;
  const byUser = user !== undefined && password !== undefined && activationKey === undefined;
  return [
    ...(distribution === 'rhel' ? [] : [{ path: 'rhel', message: `is for Red Hat Enterprise Linux, not for ${distribution}` }]),
    ...(byKey || byUser ? [] : [{ path: 'rhel', message: 'needs org and activationKey, or user and password' }]),
  ];
}

/** What the configuration of a package manager cannot say. */
function keptProxyProblems(packageManager: PackageManager, noProxy: readonly string[]): readonly Problem[] {
  if (packageManager === 'zypper') {
    const hint = 'write /etc/sysconfig/proxy in a step of your own';
    return [{ path: 'proxy.keep', message: 'is not possible with zypper', hint }];
  }
  const cannot = packageManager === 'apt' ? noProxy.filter((host) => host.startsWith('.') || host.includes('*')) : noProxy;
  if (cannot.length === 0) return [];
  return [
    {
      path: 'proxy.noProxy',
      message: `${packageManager} cannot keep ${cannot.join(', ')} off its proxy`,
      hint: 'leave keep out',
    },
  ];
}
