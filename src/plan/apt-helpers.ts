import { lines, type Sh, sh } from '../core/index.ts';
import { byteCodeHelper, settleByteCode } from './apt-byte-code.ts';
import { settleUnits, unitHelpers } from './apt-units.ts';

/**
 * A script that runs `transaction`, which gives `"$dpkg_path"` to dpkg as its search path: there maintainer scripts find programs of ours that put off, or do
 * beside the transaction, what takes long and can be done once. Where a policy-rc.d decides what may start nothing is changed. See unitHelpers for
 * `settledLater`.
 */
export function withHelpers(transaction: Sh, settledLater: readonly string[]): Sh {
  return lines([
    begin,
    unitHelpers(settledLater),
    byteCodeHelper,
    choose,
    sh`${transaction} || code=$?`,
    settleUnits,
    settleByteCode,
    end,
  ]);
}

/**
 * In memory, and not in /run, where programs may not run everywhere. What an attempt noted that was ended is done by the next one, which finds it at this
 * path; everybody may write beside it, so what is there must be root's own.
 */
const begin = sh`
  code=0
  dpkg_path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  helpers=/dev/shm/kib-helpers
  if [ -L "$helpers" ] || [ ! -O "$helpers" ]; then
    rm -rf "$helpers"
    mkdir -m 0700 "$helpers"
  fi
  : >>"$helpers/asked"
`;

const choose = sh`
  for name in enable-all systemctl deb-systemd-invoke deb-systemd-helper py3compile; do chmod 0755 "$helpers/$name"; done
  if [ -x "$helpers/systemctl" ] && [ ! -x /usr/sbin/policy-rc.d ]; then dpkg_path=$helpers:$dpkg_path; fi
`;

const end = sh`
  if [ "$code" -eq 0 ]; then rm -rf "$helpers"; fi
  exit "$code"
`;
