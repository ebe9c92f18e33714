import { type PackageManager, type Sh, sh } from '../core/index.ts';

/** One installed package, for the manifest. */
export interface GuestPackage {
  readonly name: string;
  readonly version: string;
  readonly arch: string;
}

const RPM = sh`rpm --query --all --queryformat '%{NAME}\t%{EPOCHNUM}:%{VERSION}-%{RELEASE}\t%{ARCH}\n'`;

const QUERIES: Record<PackageManager, Sh> = {
  apt: sh`dpkg-query --show --showformat='\${Package}\t\${Version}\t\${Architecture}\n'`,
  dnf: RPM,
  yum: RPM,
  tdnf: RPM,
  zypper: RPM,
};

/** Everything the package manager knows to be installed, sorted by name. */
export async function listPackages(
  guest: { run(script: Sh, options: { readonly signal: AbortSignal }): Promise<{ readonly stdout: string }> },
  packageManager: PackageManager,
  signal: AbortSignal,
): Promise<readonly GuestPackage[]> {
  const { stdout } = await guest.run(QUERIES[packageManager], { signal });
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [name = '', version = '', arch = ''] = line.split('\t');
      return { name, version: version.replace(/^0:/, ''), arch };
    })
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}
