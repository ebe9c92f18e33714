#!/bin/sh
# One image by hand: floor.sh <folder with disk.sh, machine.sh, commands.sh and key> <user>
set -eu
cd "$1"
user=$2
echo '── boot to SSH'
sh disk.sh
sh machine.sh </dev/null >qemu.log 2>&1 &
qemu=$!
trap 'kill "$qemu" 2>/dev/null || :' EXIT
while ! [ -s qemu.pid ]; do
  kill -0 "$qemu"
  sleep 0.05
done
# QEMU chose the port; it is the one this process listens on at 127.0.0.1.
port=
while [ -z "$port" ]; do
  port=$(ss -Htlnp | sed -n "s/.*127\.0\.0\.1:\([0-9]*\) .*pid=$qemu,.*/\1/p" | head -n 1)
  sleep 0.05
done
guest() {
  ssh -q -i key -p "$port" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o BatchMode=yes -o ConnectTimeout=3 "$user@127.0.0.1" "$@"
}
until guest true 2>/dev/null; do
  kill -0 "$qemu"
  sleep 0.1
done
echo '── commands'
guest sudo sh -s <commands.sh >commands.log 2>&1 || :
grep -qx done-by-hand commands.log
echo '── power-off'
wait "$qemu"
trap - EXIT
echo '── convert and SHA-256'
qemu-img convert -c -O qcow2 -o compat=1.1,compression_type=zstd disk.qcow2 image.qcow2
sha256sum image.qcow2 >image.qcow2.sha256
