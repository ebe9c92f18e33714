import { lines, raw, type Sh, sh } from '../../src/core/index.ts';

export interface DiskCopy {
  /** Volume id of the disk to copy to, `vol-0123…`, and what EC2 calls it there. */
  readonly volumeId: string;
  readonly device: string;
  /** Run once everything is found: whatever must not be in the copy. */
  readonly before: readonly Sh[];
}

/**
 * Copies the disk of the running guest's root file system to an empty one, and compares them. Meanwhile the file systems are frozen
 * (fsfreeze(8)), so that the copy is one that was unmounted; nothing is written but to memory. Nitro instances know a volume by its id, the NVMe serial
 * number (AWS: Identify the EBS device), others by the name it was attached as, `xvd` for `sd`.
 */
export function copyDisk({ volumeId, device, before }: DiskCopy): Sh {
  return sh`
    fail() { echo "$1" >&2; exit 1; }
    for tool in lsblk findmnt fsfreeze blockdev dd cmp; do
      command -v "$tool" >/dev/null || fail "the guest has no $tool"
    done
    source=$(lsblk --noheadings --inverse --list --paths --output NAME,TYPE "$(findmnt --noheadings --nofsroot --output SOURCE /)" | awk '$2 == "disk" { print $1 }')
    [ -b "$source" ] || fail "the root file system is not on one disk: $source"
    target=
    for disk in /sys/block/*; do
      if [ "$(cat "$disk/device/serial" 2>/dev/null | tr -d ' ')" = ${volumeId.replace('-', '')} ]; then target=/dev/\${disk##*/}; fi
    done
    for name in ${device.replace('/sd', '/xvd')} ${device}; do
      if [ -z "$target" ] && [ -b "$name" ]; then target=$name; fi
    done
    [ -b "$target" ] || fail ${`the second volume ${volumeId} is not there`}
    [ "$target" != "$source" ] || fail "both volumes are $source"
    [ "$(blockdev --getsize64 "$source")" = "$(blockdev --getsize64 "$target")" ] || fail "$source and $target are not of one size"
    cmp --silent --bytes=1048576 "$target" /dev/zero || fail "$target is not empty"
    ${apart(before)}
    sync
    root=$(findmnt --noheadings --nofsroot --output SOURCE /)
    findmnt --noheadings --raw --nofsroot --output TARGET,SOURCE | sort --reverse | while read -r mount from; do
      case $from in
        "$root") continue ;;
        "$source"*) umount "$mount" || mount --options remount,ro "$mount" || fail "$mount cannot be unmounted" ;;
      esac
    done
    trap 'exit 143' TERM HUP INT
    trap 'fsfreeze --unfreeze / || :' EXIT
    fsfreeze --freeze /
    dd if="$source" of="$target" bs=4M iflag=direct oflag=direct conv=sparse,fsync
    blockdev --flushbufs "$source"
    blockdev --flushbufs "$target"
    cmp "$source" "$target"
    echo ${COPIED}
  `;
}

/** What the script says at its end. */
export const COPIED = 'copied and compared';

/** Each in a shell of its own: none can change what stands after it. */
function apart(scripts: readonly Sh[]): Sh {
  return lines(scripts.flatMap((script) => [raw('('), script, raw(')')]));
}
