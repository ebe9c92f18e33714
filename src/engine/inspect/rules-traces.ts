import { parseFstab } from './open-guest.ts';
import { collect, entries, present, type Rule, settings } from './rule.ts';

const noProxies: Rule = {
  name: 'no-proxies',
  title: 'no proxy of the build is left',
  severity: 'failure',
  async judge(files) {
    const places: readonly (readonly [paths: readonly string[], setting: RegExp])[] = [
      [['/etc/environment', ...(await entries(files, '/etc/profile.d'))], /^(export\s+)?(http|https|ftp|all)_proxy=\S/i],
      [['/etc/apt/apt.conf', ...(await entries(files, '/etc/apt/apt.conf.d'))], /^(?!\/\/).*\bproxy\b(?!.*(DIRECT|false))/i],
      [['/etc/dnf/dnf.conf', '/etc/yum.conf', ...(await entries(files, '/etc/yum.repos.d'))], /^proxy\s*=\s*(?!_none_)\S/i],
      [['/etc/pip.conf'], /^proxy\s*=\s*\S/i],
      [await systemdDropIns(files), /^(Default)?Environment=.*\b\w+_proxy=/i],
    ];
    const problems = await collect(places, async ([paths, setting]) =>
      collect(paths, async (path) =>
        (await settings(files, path))
          .filter((line) => setting.test(line))
          .map((line) => `${path}: ${line.replace(/\/\/[^/@\s]*@/, '//***@')}`),
      ),
    );
    return { problems, seen: `${places.reduce((sum, [paths]) => sum + paths.length, 0)} files` };
  },
};

async function systemdDropIns(files: Parameters<Rule['judge']>[0]): Promise<readonly string[]> {
  const folders = await entries(files, '/etc/systemd/system', /\.d$/);
  return ['/etc/systemd/system.conf', ...(await collect(folders, async (folder) => entries(files, folder, /\.conf$/)))];
}

const noStaging: Rule = {
  name: 'no-staging-files',
  title: 'no file of the build is left',
  severity: 'failure',
  async judge(files, builder) {
    const folders = ['/tmp', '/var/tmp', '/run', '/root'];
    const ours = new RegExp(`^\\.?${builder}[.-]`);
    return { problems: await collect(folders, async (folder) => entries(files, folder, ours)), seen: folders.join(', ') };
  },
};

const noSwap: Rule = {
  name: 'no-swap',
  title: 'no swap is configured (kubelet refuses to start with it)',
  severity: 'failure',
  async judge(files) {
    const lines = parseFstab((await files.read('/etc/fstab')) ?? '');
    const problems = [
      ...lines.filter(({ type }) => type === 'swap').map(({ spec }) => `/etc/fstab: ${spec}`),
      ...(await present(files, ['/swapfile', '/swap.img'])),
    ];
    return { problems, seen: `${lines.length} lines of fstab` };
  },
};

const noPackageCaches: Rule = {
  name: 'no-package-caches',
  title: 'package lists and caches are empty',
  severity: 'warning',
  async judge(files) {
    const problems = [
      ...(await entries(files, '/var/lib/apt/lists', /_(InRelease|Release|Packages)/)),
      ...(await entries(files, '/var/cache/apt/archives', /\.deb$/)),
      ...(await entries(files, '/var/cache/dnf', /-[0-9a-f]{16}$/)),
      ...(await entries(files, '/var/cache/libdnf5', /-[0-9a-f]{16}$/)),
    ];
    return { problems, seen: 'apt and dnf' };
  },
};

const noLogs: Rule = {
  name: 'no-logs',
  title: 'the logs of the build are gone',
  severity: 'warning',
  async judge(files) {
    // systemd links its README there.
    const logs = await entries(files, '/var/log', /^(?!README$)/);
    const filled = await collect(logs, async (path) => ((await files.stat(path))?.kind === 'file' ? present(files, [path]) : []));
    return { problems: [...filled, ...(await entries(files, '/var/log/journal'))], seen: `${logs.length} entries of /var/log` };
  },
};

/** What the build used and nobody else needs. */
export const traceRules: readonly Rule[] = [noProxies, noStaging, noSwap, noPackageCaches, noLogs];
