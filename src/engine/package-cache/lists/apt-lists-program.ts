import { raw, type Sh, sh } from '../../../core/index.ts';
import { LISTS_PATH } from './answer-lists.ts';

/**
 * A program for the guest: with names of packages as arguments it asks this host for what of the package lists they can need, and puts that where apt
 * looks for lists, in place of any other, older than those of any server, lest apt takes them for its list that did not change. The Release files are there and were verified by apt. Fails, and changes nothing, where the host says that whole lists are needed.
 * bash(1) is essential in Debian and Ubuntu and the only essential program there that opens connections.
 */
export function aptListsProgram({ port, token }: { readonly port: number; readonly token: string }): Sh {
  return sh`
    #!/bin/bash
    set -eu
    set -o pipefail
    eval "$(apt-config shell lists Dir::State::Lists/d status Dir::State::Status/f)"
    work=$(mktemp -d "\${0%/*}/lists.XXXXXX")
    cd "$lists"
    apt-get --quiet -o Acquire::Languages=none update --print-uris | sed -n "s/^'\([^' ]*\)' \([^ ]*\) .*/file \2 \1/p" >"$work/files"
    {
      if [ $# -gt 0 ]; then printf 'package %s\n' "$@"; fi
      sed -n 's/^Package: /installed /p' "$status"
      cat "$work/files"
      sed -n 's|^file [^ ]* mirror+file:\(//\)\{0,1\}\(/.*\)/dists/.*|\2|p' "$work/files" | sort -u | while read -r path; do
        sed -n "s|^[[:blank:]]*\(https\{0,1\}:[^[:blank:]]*\).*|mirror $path \1|p" "$path" | head -n 1
      done
      awk '${raw(RELEASE)}' ./*InRelease
    } >"$work/question"
    exec 3<>/dev/tcp/127.0.0.1/${port}
    printf 'POST /%s/%s HTTP/1.0\r\nContent-Length: %s\r\n\r\n' ${token} ${LISTS_PATH} "$(wc -c <"$work/question")" >&3
    cat "$work/question" >&3
    read -r _ status _ <&3
    while IFS= read -r line <&3 && [ "$line" != $'\r' ]; do :; done
    if [ "$status" != 200 ]; then
      echo "whole package lists are read: $(cat <&3)"
      exit 1
    fi
    mkdir "$work/new"
    awk -v into="$work/new/" '/^@/ { name = substr($0, 2); whole = name == ""; next } { print >(into name) } END { exit !whole }' <&3
    find . -maxdepth 1 -name '*_Packages*' -delete
    find "$work/new" -type f -exec chmod 0644 {} + -exec touch -d @0 {} + -exec mv -t . {} +
  `;
}

/** mawk(1) or another awk: of the signed part the digests of package lists and the fields that say which of them apt reads, and how. */
const RELEASE = String.raw`
  FNR == 1 { digests = 0; over = 0; file = substr(FILENAME, 3) }
  /^-----BEGIN PGP SIGNATURE-----/ { over = 1 }
  over { next }
  /^[^ ]/ { digests = /^SHA256:/ }
  digests && $3 ~ /(^|\/)Packages(\.[a-z0-9]+)?$/ { print "digest", file, $1, $3 }
  /^(Architectures|No-Support-for-Architecture-all|Acquire-By-Hash):/ { sub(/: */, " "); print "field", file, $0 }
`.trim();
