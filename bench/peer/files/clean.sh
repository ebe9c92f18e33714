#!/bin/sh
# What must not ship, in one script: the same effects as the seal recipe. The account of the build goes with Packer's shutdown command.
set -eu
systemctl stop systemd-random-seed.service systemd-update-utmp.service
journalctl --rotate
journalctl --relinquish-var
apt-get clean
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/debconf/*-old /var/lib/dpkg/*-old
rm -rf /var/lib/dhcp/* /etc/netplan/*cloud-init* /etc/network/interfaces.d/*cloud-init* /etc/systemd/network/*cloud-init*
if [ -f /etc/resolv.conf ] && [ ! -L /etc/resolv.conf ]; then : >/etc/resolv.conf; fi
cloud-init clean --logs --seed
rm -rf /var/lib/cloud
rm -f /etc/ssh/sshd_config.d/50-cloud-init.conf
rm -f /root/.ssh/authorized_keys* /root/.*_history /root/.wget-hsts
rm -rf /root/.cache
getent shadow | while IFS=: read -r name password rest; do
  case $password in
    '' | *[!!*]*) usermod --password '*' "$name" ;;
  esac
done
rm -rf /var/log/journal/* /var/log/cloud-init*
find /var/log -type f '(' -name '*.gz' -o -name '*.xz' -o -name '*.[0-9]' -o -name '*.old' -o -name '*-[0-9]*' ')' -delete
find /var/log -type f -exec truncate --size=0 '{}' +
: >/etc/machine-id
rm -f /var/lib/dbus/machine-id
: >/etc/hostname
sed -i '/^127\.0\.1\.1[[:space:]]/d' /etc/hosts
rm -f /var/lib/systemd/random-seed /var/lib/systemd/credential.secret /var/cache/ldconfig/aux-cache
find /tmp /var/tmp -xdev -mindepth 1 -delete 2>/dev/null || :
rm -f /etc/ssh/ssh_host_*
sync
fstrim --all
