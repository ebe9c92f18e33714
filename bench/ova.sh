#!/bin/sh
# An OVA with the tools of a distribution: ova.sh <disk> <folder>
set -eu
mkdir -p "$2"
cd "$2"
echo '<Envelope/>' >image.ovf
qemu-img convert -f qcow2 -O vmdk -o subformat=streamOptimized "$1" image.vmdk
sha256sum image.ovf image.vmdk >image.mf
tar -cf image.ova image.ovf image.mf image.vmdk
rm image.vmdk
