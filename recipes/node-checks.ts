import { type Check, lines, sh } from '../src/core/index.ts';

const BOTH = ['build', 'boot'] as const;

export function modules(names: readonly string[]): Check {
  return {
    name: 'node/modules',
    title: `kernel modules ${names.join(', ')} are loaded`,
    script: sh`
      for module in ${names.map((name) => name.replaceAll('-', '_'))}; do
        [ -d "/sys/module/$module" ] || { echo "$module is not loaded"; exit 1; }
      done
    `,
    expect: { kind: 'success' },
    when: BOTH,
  };
}

/** Prints each setting that differs, so that a failure names them all. */
export function sysctls(values: Readonly<Record<string, string>>): Check {
  return {
    name: 'node/sysctls',
    title: `${Object.keys(values).length} kernel settings are live`,
    script: lines([
      sh`
        expect() {
          got=$(tr '\t' ' ' 2>/dev/null <"/proc/sys/$1") || got='no such setting'
          [ "$got" = "$2" ] || echo "$1: wanted $2, got $got"
        }
      `,
      ...Object.entries(values).map(([key, value]) => sh`expect ${procPath(key)} ${value}`),
    ]),
    expect: { kind: 'equals', text: '' },
    when: BOTH,
  };
}

/** Below /proc/sys. As in sysctl.d(5), the first separator says which of `.` and `/` separates. */
function procPath(key: string): string {
  return /^[^./]*\//.test(key) ? key : key.replaceAll(/[./]/g, (separator) => (separator === '.' ? '/' : '.'));
}

export const swap: Check = {
  name: 'node/swap',
  title: 'no swap is in use',
  script: sh`tail -n +2 /proc/swaps`,
  expect: { kind: 'equals', text: '' },
  when: BOTH,
};

export function active(name: string, unit: string, when: Check['when'] = BOTH): Check {
  return {
    name: `node/${name}`,
    title: `${unit} is active`,
    script: sh`systemctl is-active ${unit}`,
    expect: { kind: 'equals', text: 'active' },
    when,
  };
}

/** chronyd prints no configuration before 4.1, so it is read as chronyd reads it. */
export function timeServers(config: string, servers: readonly string[]): Check {
  return {
    name: 'node/time-servers',
    title: `chrony asks ${servers.join(', ')}`,
    script: sh`sed -n -E 's/^(server|pool|peer)[[:space:]]+([^[:space:]]+).*/\2/p' ${config} | tr '\n' ' '`,
    expect: { kind: 'equals', text: servers.join(' ') },
    when: BOTH,
  };
}

/** Prints what still runs or would start by itself. */
export function noUpdates(units: readonly string[]): Check {
  return {
    name: 'node/no-updates',
    title: 'nothing changes packages by itself',
    script: sh`
      for unit in ${units}; do
        if systemctl is-active --quiet "$unit"; then echo "$unit is active"; fi
      done
    `,
    expect: { kind: 'equals', text: '' },
    when: BOTH,
  };
}

/** Looks at cards as the udev rule does. A kernel without these parts of traffic control has nothing to look at. */
export const etcdFirst: Check = {
  name: 'node/etcd-priority',
  title: 'network cards send the traffic of etcd first',
  script: sh`
    modprobe --quiet sch_prio && modprobe --quiet cls_u32 || exit 0
    for card in /sys/class/net/*/device; do
      [ -e "$card" ] || continue
      interface=$(basename "$(dirname "$card")")
      tc filter show dev "$interface" | grep -q 'flowid 1:1' || echo "$interface: $(tc qdisc show dev "$interface")"
    done
  `,
  expect: { kind: 'equals', text: '' },
  when: ['boot'],
};

export const noFailedUnit: Check = {
  name: 'node/units',
  title: 'no unit failed',
  script: sh`systemctl list-units --failed --plain --no-legend`,
  expect: { kind: 'equals', text: '' },
  when: ['boot'],
};
