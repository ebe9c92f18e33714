#!/bin/sh
set -eu
systemctl stop systemd-random-seed.service systemd-update-utmp.service
journalctl --relinquish-var
auditctl -e 0 >/dev/null
rm -rf /var/log/journal/* /var/cache/apt/*.bin /var/cache/debconf/*-old /var/lib/dpkg/*-old
rm -rf /var/lib/dhcp/* /etc/network/interfaces.d/*cloud-init* /etc/systemd/network/*cloud-init*
if [ -f /etc/resolv.conf ] && [ ! -L /etc/resolv.conf ]; then : >/etc/resolv.conf; fi
rm -f /etc/ssh/sshd_config.d/50-cloud-init.conf
rm -rf /root/.cache
find /var/log -type f -exec truncate --size=0 {} +
getent shadow | while IFS=: read -r name password rest; do
  case $password in
    '' | *[!!*]*) usermod --password '*' "$name" ;;
  esac
done
rm -f /var/lib/systemd/random-seed /var/lib/systemd/credential.secret /var/lib/dbus/machine-id
rm -f /var/lib/containerd/io.containerd.grpc.v1.introspection/uuid /var/cache/ldconfig/aux-cache
sync
