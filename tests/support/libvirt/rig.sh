#!/bin/sh
# First process of the rig's namespaces (network, mounts, processes): `rig.sh FOLDER`. Everything libvirtd keeps is below FOLDER, and its
# bridge, NAT rules and leases are in a network that has no way out; when this ends, the kernel ends everything it started.
set -eu
rig=$1

# Packages add these accounts with the daemon's own start scripts, which the rig goes without.
cp /etc/group "$rig"
# Root's login shell reads no start-up files, whatever this machine's are.
sed 's,^\(root:.*:\)[^:]*$,\1/bin/sh,' /etc/passwd >"$rig/passwd"
grep -q '^libvirt-qemu:' "$rig/passwd" || echo 'libvirt-qemu:x:64055:64055::/nonexistent:/usr/sbin/nologin' >>"$rig/passwd"
grep -q '^libvirt-qemu:' "$rig/group" || echo 'libvirt-qemu:x:64055:' >>"$rig/group"
grep -q '^libvirt:' "$rig/group" || echo 'libvirt:x:64056:' >>"$rig/group"

mount --make-rprivate /
for file in passwd group; do mount --bind "$rig/$file" "/etc/$file"; done
mkdir -p /var/lib/libvirt /var/cache/libvirt /var/log/libvirt
for name in lib cache; do
    mkdir "$rig/$name"
    mount --bind "$rig/$name" "/var/$name/libvirt"
done
# The logs of its guests stay, as on any host, and only there.
mount -t tmpfs tmpfs /var/log/libvirt
mkdir "$rig/run" "$rig/run/sshd" "$rig/small" "$rig/crowded"
mount --bind "$rig/run" /run
mount --bind "$rig/etc" /etc/libvirt
mount -t tmpfs -o size=1m tmpfs "$rig/small"
mount -t tmpfs -o size=8m tmpfs "$rig/crowded"
mount -t proc proc /proc
# The bridge's switches are those of this network.
mount -t sysfs sysfs /sys
ip link set lo up

/usr/sbin/libvirtd -f "$rig/etc/libvirtd.conf" -p "$rig/libvirtd.pid" &
# Until whoever started this closes its standard input, if only by dying. The shell buries what libvirtd's children leave behind meanwhile.
cat >/dev/null
