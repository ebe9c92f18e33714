import type { RecipeContext } from '../src/core/index.ts';

export const ETCD_TUNING = '/usr/local/bin/etcd-network-tuning.sh';

/**
 * Puts etcd's own traffic, peers on 2380 and clients on 2379, into the first band of a network interface (tc-prio(8), tc-u32(8)): a busy
 * node must not cost etcd its heartbeats. As kubernetes-sigs/image-builder does, and for IPv6 too.
 */
export const ETCD_TUNING_SCRIPT = `#!/bin/sh
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
`;

/** Cards only: not bridges, tunnels and the ends of pods. */
export const ETCD_TUNING_RULE = `ACTION=="add", SUBSYSTEM=="net", SUBSYSTEMS=="pci|xen|vmbus|virtio", RUN+="${ETCD_TUNING} $name"\n`;

/** For Photon OS, whose util-linux cannot be relied on to bring its units. */
export const FSTRIM_SERVICE = `[Unit]
Description=Discard unused blocks of all mounted file systems
Documentation=man:fstrim(8)
ConditionVirtualization=!container

[Service]
Type=oneshot
ExecStart=/sbin/fstrim --all
`;

export const FSTRIM_TIMER = `[Unit]
Description=Discard unused blocks once a week
Documentation=man:fstrim(8)
ConditionVirtualization=!container

[Timer]
OnCalendar=weekly
AccuracySec=1h
Persistent=true

[Install]
WantedBy=timers.target
`;

/** What the image is, for people who log in; the same inputs give the same bytes. */
export function kibRelease({ os, arch, kubernetes, recipes }: RecipeContext): string {
  return assignments({
    KIB_OS: os.id,
    KIB_ARCH: arch,
    KIB_KUBERNETES_VERSION: kubernetes?.version,
    KIB_RECIPES: recipes.join(','),
  });
}

/** As kubernetes-sigs/image-builder writes it, but for BUILD_DATE, which would make each build another one. */
export function imageBuilderRelease({ kubernetes }: RecipeContext, version: string): string {
  return assignments({ IMAGE_BUILDER_VERSION: version, IMAGE_BUILDER_COMMIT: '', KUBERNETES_VERSION: kubernetes?.version });
}

function assignments(facts: Readonly<Record<string, string | undefined>>): string {
  return Object.entries(facts)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}
