import { raw, type Sh, sh } from '../../core/index.ts';
import { aptListsProgram } from './lists/apt-lists-program.ts';

/** What only this machine can mean stays as it is, and so does what carries a login. */
const OUT = (origin: string) => [
  String.raw`/^URI: https\{0,1\}:/!b`,
  String.raw`/^URI: [a-z]*:\/\/[^/]*@/b`,
  String.raw`/^URI: [a-z]*:\/\/localhost[:/]/b`,
  String.raw`/^URI: [a-z]*:\/\/127\./b`,
  String.raw`/^URI: [a-z]*:\/\/\[/b`,
  String.raw`s#^URI: \(https\{0,1\}\)://#URI: ${origin}/\1/#`,
];
const IN = (origin: string) => String.raw`s#^URI: ${origin}/\(https\{0,1\}\)/#URI: \1://#`;

/**
 * apt gets transports of ours (`Dir::Bin::Methods`, apt-pkg/acquire-worker.cc): its own ones between two sed(1), so that an address leads
 * to `origin` on its way out and is itself again on its way back, and sources, lists and output stay what they are. `sed -u` would read each byte
 * by itself, of which apt's configuration alone has tens of thousands; with stdbuf(1) it passes lines on just as early. Programs may not run in /run everywhere, hence /dev/shm, also in memory; composeScript removes the folder. The script finds in `KIB_APT_LISTS` a program that
 * brings the part of the package lists that it needs (see aptListsProgram).
 */
export function aptWrapper(host: { readonly port: number; readonly token: string }): Sh {
  const origin = `http://127.0.0.1:${host.port}/${host.token}`;
  return sh`
    self=\${0%.first.sh}
    folder=\${self%/*}
    via=/dev/shm/\${folder##*/}.\${self##*/}
    methods=/usr/lib/apt/methods/
    eval "$(apt-config shell methods Dir::Bin::Methods/d)"
    filter='sed -u'
    if command -v stdbuf >/dev/null; then filter='stdbuf -oL sed'; fi
    write() { cat >"$via/$1"; }
    redirect() {
      [ -x "$methods$1" ] || return 0
      printf '#!/bin/sh\n%s -f %s/out | %s | %s -f %s/in\n' "$filter" "$via" "$methods$1" "$filter" "$via" | write "$1" &&
        chmod 0700 "$via/$1" &&
        printf 'Dir::Bin::Methods::%s "%s/%s";\nAcquire::%s::Proxy::127.0.0.1 "DIRECT";\n' "$1" "$via" "$1" "$1" >>"$via/apt.conf"
    }
    include() {
      if [ -n "\${APT_CONFIG-}" ]; then printf '#include "%s";\n' "$APT_CONFIG" >"$via/apt.conf"; fi
    }
    if mkdir -m 0700 "$via" && include && write lists <<'LISTS' && chmod 0700 "$via/lists" && write out <<'OUT' && write in <<'IN' && redirect http && redirect https && "$via/http" </dev/null | grep -q '^100 '; then
    ${aptListsProgram(host)}
    LISTS
    ${raw(OUT(origin).join('\n'))}
    OUT
    ${raw(IN(origin))}
    IN
      export APT_CONFIG="$via/apt.conf" KIB_APT_LISTS="$via/lists"
    else
      echo 'apt cannot be led to the package cache of the host and downloads by itself'
    fi
    exec /bin/sh -eu "$self.sh"
  `;
}
