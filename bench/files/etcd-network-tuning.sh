#!/bin/sh
# etcd-network-tuning.sh INTERFACE; called by udev for each network card.
set -eu
PATH=$PATH:/usr/sbin:/sbin
device=$1

report() {
  status=$?
  if [ "$status" -ne 0 ]; then logger -t etcd-tuning -p user.err "cannot put etcd first on $device"; fi
}
trap report EXIT

first() {
  tc filter add dev "$device" parent 1: protocol "$1" prio "$2" u32 match "$3" "$4" "$5" 0xffff flowid 1:1
}

tc qdisc del dev "$device" root 2>/dev/null || :
tc qdisc add dev "$device" root handle 1: prio bands 3
for end in sport dport; do
  first ip 1 ip "$end" 2380
  first ip 2 ip "$end" 2379
  first ipv6 3 ip6 "$end" 2380
  first ipv6 4 ip6 "$end" 2379
done
