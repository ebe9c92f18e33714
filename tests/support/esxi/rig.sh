#!/bin/sh
# First process of the ESXi rig's mount namespace, inside the network namespace of the VMware rig: `rig.sh FOLDER`. Mounts the datastores and
# gives root the shell of an ESXi host, busybox's, for whoever enters.
set -eu
rig=$1

sed "s,^\(root:.*:\)[^:]*$,\1$rig/bin/ash," /etc/passwd >"$rig/passwd"
mount --make-rprivate /
mount --bind "$rig/passwd" /etc/passwd
mount -t tmpfs -o size=1m tmpfs /vmfs
mkdir -p /vmfs/volumes/datastore1 /vmfs/volumes/small '/vmfs/volumes/with space'
mount --bind "$rig/datastore1" /vmfs/volumes/datastore1
mount --bind "$rig/space" '/vmfs/volumes/with space'
mount -t tmpfs -o size=64k tmpfs /vmfs/volumes/small
mkdir -p /run/sshd
echo ready
# Until whoever started this closes its standard input, if only by dying.
cat >/dev/null
