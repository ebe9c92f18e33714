import { type Sh, sh } from '../core/index.ts';

/**
 * A py3compile(1) in `"$helpers"` that compiles Python's byte code beside the transaction, which has one processor for itself otherwise. One at a time; each holds
 * a lock that `settleByteCode` waits for. Output and debconf's descriptor 3 are closed: who reads them would wait as well.
 */
export const byteCodeHelper: Sh = sh`
  cat >"$helpers/py3compile" <<'__'
  #!/bin/sh
  folder=\${0%/*}
  printf '%s\n' "$*" >>"$folder/compile"
  exec 8>"$folder/busy"
  flock --shared 8
  {
    if flock "$folder/turn" /usr/bin/py3compile "$@"; then printf '%s\n' "$*" >>"$folder/compiled"; fi
  } >/dev/null 2>&1 </dev/null 3>&- &
  __
`;

/** Waits, and compiles here what was not; that which fails now fails the transaction, as it would have in the maintainer script. */
export const settleByteCode: Sh = sh`
  if [ -e "$helpers/compile" ]; then
    flock "$helpers/busy" true
    : >>"$helpers/compiled"
    grep -Fxv -f "$helpers/compiled" "$helpers/compile" >"$helpers/left" || :
    while read -r words; do
      py3compile $words || code=$?
    done <"$helpers/left"
  fi
`;
