#!/bin/sh
# Packets between etcd's members go first.
set -eu
tc qdisc replace dev "$1" root handle 1: prio
for port in 2379 2380; do
  tc filter add dev "$1" parent 1: protocol ip prio 1 u32 match ip dport "$port" 0xffff flowid 1:1
  tc filter add dev "$1" parent 1: protocol ip prio 1 u32 match ip sport "$port" 0xffff flowid 1:1
done
