import { lines, type Sh, sh } from '../core/index.ts';

/**
 * A script that runs `transaction`, which gives `"$dpkg_path"` to dpkg as its search path. Every maintainer script with a unit has systemd
 * read all units again and starts its own, which takes longer than unpacking the packages. Here they find two programs of ours instead:
 * what they ask for is noted and done once at the end, as rpm's file triggers do. Not started are timers, which a build keeps still,
 * and `settledLater`, which a recipe starts or stops once they are configured. Where a policy-rc.d decides what may start nothing is changed.
 */
export function withUnitsAtTheEnd(transaction: Sh, settledLater: readonly string[]): Sh {
  return lines([programs(settledLater), sh`${transaction} || code=$?`, settle]);
}

/** In memory, and not in /run, where programs may not run everywhere. What acts on units has systemd read them first, when that is due. */
const programs = (settledLater: readonly string[]): Sh => sh`
  code=0
  dpkg_path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  units=$(mktemp -d /dev/shm/kib-units.XXXXXXXXXX)
  trap 'rm -rf "$units"' EXIT
  : >"$units/asked"
  cat >"$units/systemctl" <<'__'
  #!/bin/sh
  case " $* " in
    *' --user '* | *' --global '*) ;;
    *' daemon-reload '*) : >"\${0%/*}/reload"; exit 0 ;;
    *'start '* | *' stop '* | *'reload '* | *' --now '*)
      if [ -e "\${0%/*}/reload" ]; then rm -f "\${0%/*}/reload"; /usr/bin/systemctl daemon-reload; fi ;;
  esac
  exec /usr/bin/systemctl "$@"
  __
  cat >"$units/deb-systemd-invoke" <<'__'
  #!/bin/sh
  case $1 in
    start | restart)
      verb=$1
      shift
      for unit do
        case $unit in
          ${settledLater.reduce((names, unit) => sh`${names} | ${unit}`, sh`*.timer`)}) ;;
          *) printf '%s %s\n' "$verb" "$unit" >>"\${0%/*}/asked" ;;
        esac
      done
      exit 0 ;;
  esac
  exec /usr/bin/deb-systemd-invoke "$@"
  __
  chmod 0755 "$units" "$units/systemctl" "$units/deb-systemd-invoke"
  if [ -x "$units/systemctl" ] && [ ! -x /usr/sbin/policy-rc.d ]; then dpkg_path=$units:$dpkg_path; fi
`;

const settle = sh`
  if [ -e "$units/reload" ]; then systemctl daemon-reload; fi
  for verb in restart start; do
    asked=$(sed -n "s/^$verb //p" "$units/asked" | sort -u)
    if [ -n "$asked" ]; then deb-systemd-invoke "$verb" $asked || :; fi
  done
  exit "$code"
`;
