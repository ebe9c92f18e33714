import { lines, type Sh, sh } from '../core/index.ts';

/**
 * What maintainer scripts find in `"$helpers"` instead of systemd's helpers while a transaction runs; `settleUnits` does what they were asked. Every package
 * with a unit has systemd read all units again, starts what it brings, and starts Perl three times to enable it, which together takes longer than
 * unpacking. What is asked is noted and done once at the end, as rpm's file triggers do. Not started are timers, which a build keeps still, and
 * `settledLater`, which a recipe starts or stops once they are configured.
 */
export function unitHelpers(settledLater: readonly string[]): Sh {
  return lines([enableAll, systemctl, invoke(settledLater), helper]);
}

/** Fails nothing, as in the maintainer scripts of debhelper: a unit that could not be enabled or started is for the checks to find. */
export const settleUnits = sh`
  sh "$helpers/enable-all"
  if [ -e "$helpers/reload" ]; then systemctl daemon-reload; fi
  for verb in restart start; do
    asked=$(sed -n "s/^$verb //p" "$helpers/asked" | sort -u)
    if [ -n "$asked" ]; then deb-systemd-invoke "$verb" $asked || :; fi
  done
`;

/** One Perl for all units, or one for each when something is wrong with one: enabling twice is enabling once. It must not find these helpers itself. */
const enableAll = sh`
  cat >"$helpers/enable-all" <<'__'
  #!/bin/sh
  export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin DPKG_MAINTSCRIPT_PACKAGE=kib
  for list in "\${0%/*}"/enable.* "\${0%/*}"/update-state.*; do
    if [ ! -s "$list" ]; then continue; fi
    units=$(sort -u "$list")
    name=\${list##*/}
    set -- "--\${name#*.}" "\${name%.*}"
    /usr/bin/deb-systemd-helper "$@" $units || for unit in $units; do /usr/bin/deb-systemd-helper "$@" "$unit" || :; done
    rm -f "$list"
  done
  __
`;

/** What acts on units, or asks whether they are enabled, finds them enabled, and read where that is due. */
const systemctl = sh`
  cat >"$helpers/systemctl" <<'__'
  #!/bin/sh
  folder=\${0%/*}
  case " $* " in
    *' --user '* | *' --global '*) ;;
    *' daemon-reload '*) : >"$folder/reload"; exit 0 ;;
    *'start '* | *' stop '* | *'reload '* | *' --now '*)
      "$folder/enable-all"
      if [ -e "$folder/reload" ]; then rm -f "$folder/reload"; /usr/bin/systemctl daemon-reload; fi ;;
    *able* | *mask* | *preset*) "$folder/enable-all" ;;
  esac
  exec /usr/bin/systemctl "$@"
  __
`;

const invoke = (settledLater: readonly string[]): Sh => sh`
  cat >"$helpers/deb-systemd-invoke" <<'__'
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
`;

/**
 * The calls that dh_installsystemd(1) writes for a unit. "unmask" does nothing for one that is not masked, "was-enabled" is true when no link that an earlier
 * "enable" recorded is missing, "debian-installed" when there is such a record, and "enable" or "update-state" can wait. All else is for the real
 * program, after what waits: a unit has others enabled with it (Also=, systemd.unit(5)).
 */
const helper = sh`
  cat >"$helpers/deb-systemd-helper" <<'__'
  #!/bin/sh
  folder=\${0%/*}
  kind=system
  records=/var/lib/systemd/deb-systemd-helper-enabled
  action=
  units=
  waits() {
    for list in "$folder/enable.$kind" "$folder/update-state.$kind"; do
      if [ ! -e "$list" ]; then continue; fi
      while read -r other; do
        if [ "$other" = "$1" ]; then return 0; fi
      done <"$list"
    done
    return 1
  }
  for word do
    case $action,$word in
      ,--user) kind=user records=/var/lib/systemd/deb-systemd-user-helper-enabled ;;
      ,--system | ,--quiet) ;;
      *,-*) action=another ;;
      ,*) action=$word ;;
      *) units="$units $word" ;;
    esac
  done
  answer=0
  if [ "$action" = debian-installed ]; then answer=1; fi
  for unit in $units; do
    record=$records/$unit.dsh-also
    case $action in
      unmask)
        if [ -e "/etc/systemd/$kind/$unit" ]; then answer=; fi ;;
      was-enabled)
        if waits "$unit"; then answer=; break; fi
        if [ ! -e "$record" ]; then continue; fi
        while read -r link; do
          if [ ! -L "$link" ]; then answer=; fi
        done <"$record" ;;
      debian-installed)
        if waits "$unit"; then answer=; break; fi
        if [ -e "$record" ]; then answer=0; break; fi ;;
      enable | update-state)
        if waits "$unit"; then "$folder/enable-all"; fi
        printf '%s\n' "$unit" >>"$folder/$action.$kind" ;;
      *) answer= ;;
    esac
  done
  if [ -n "$units" ] && [ -n "$answer" ]; then exit "$answer"; fi
  "$folder/enable-all"
  exec /usr/bin/deb-systemd-helper "$@"
  __
`;
