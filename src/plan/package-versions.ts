import { type PackageRequest, raw, type Sh, sh } from '../core/index.ts';

/**
 * The command of a package manager; when it fails with packages whose versions were asked for, `list` says which there are, one line
 * `there is <name> <version>` each, for the message. The exit status is that of the command.
 */
export function orListVersions(command: Sh, packages: readonly PackageRequest[], list: (names: readonly string[]) => Sh): Sh {
  const names = packages.filter(({ version }) => version !== undefined).map(({ name }) => name);
  if (names.length === 0) return command;
  return sh`{ ${command} || { failed=$?; ${list(names)} || :; (exit "$failed"); }; }`;
}

/** `kubelet | 1.36.1-1.1 | https://… Packages`, from the lists that were read already. */
export const listAptVersions = (names: readonly string[]): Sh =>
  sh`apt-cache madison ${names} | awk -F' *[|] *' '{ sub(/^ +/, "", $1); print "there is", $1, $2 }'`;

/** `kubelet.x86_64  1.36.1-150500.1.1  kubernetes`, of dnf, yum and tdnf. */
export const listRpmVersions = (command: string, names: readonly string[]): Sh =>
  sh`${raw(command)} list ${names} 2>/dev/null | awk 'NF == 3 && $1 ~ /[.]/ { sub(/[.][^.]*$/, "", $1); print "there is", $1, $2 }'`;
