import { z } from 'zod';
import { type Action, type Check, defineRecipe, type RecipeContext, sh } from '../src/core/index.ts';
import { moreModules } from './ubuntu-modules.ts';

/** The i6300ESB of QEMU and KubeVirt. Distributions keep watchdog drivers from loading by themselves, so it is named. */
const MODULE = 'i6300esb';
/** Machines may have a second watchdog, such as the one of the q35 chipset; this name is always the driver's that was asked for. */
const DEVICE = '/dev/watchdog-kib';
/** i6300esb.c: heartbeat is at most 2046 seconds. */
const LONGEST = 2046;

const params = z.strictObject({
  mode: z
    .enum(['systemd', 'daemon'])
    .default('systemd')
    .describe('systemd: it feeds the watchdog itself; daemon: the watchdog package does, as a real-time process'),
  module: z
    .string()
    .regex(/^\w+$/, 'must be a kernel module')
    .default(MODULE)
    .describe('Driver of the watchdog, such as i6300esb, iTCO_wdt or softdog'),
  seconds: z.int().min(10).max(LONGEST).default(60).describe('A machine that hangs for this long is reset'),
  rebootSeconds: z
    .int()
    .min(0)
    .max(LONGEST)
    .default(600)
    .describe('For mode systemd: a reboot that takes longer is forced; 0: never'),
});

type Params = z.output<typeof params>;

/** A machine that hangs starts again (systemd-system.conf(5), RuntimeWatchdogSec; watchdog.conf(5)). */
export const watchdog = defineRecipe({
  name: 'watchdog',
  summary: 'hardware watchdog (i6300esb) fed by systemd or the watchdog daemon',
  params,
  optional: true,
  after: ['node'],
  validate: ({ os }, { mode }) =>
    mode === 'daemon' && (os.family === 'photon' || os.distribution === 'amzn')
      ? [{ path: 'recipes.watchdog.mode', message: `${os.title} has no watchdog package`, hint: 'use mode: systemd' }]
      : [],
  packages: (_context, { mode }) => (mode === 'daemon' ? [{ name: 'watchdog' }] : []),
  steps: (context, params) => [
    { kind: 'file', path: '/etc/udev/rules.d/60-kib-watchdog.rules', text: udevRule(params) },
    { kind: 'exec', title: 'read the udev rules', script: sh`udevadm control --reload`, timeoutMs: 60_000 },
    ...(context.os.distribution === 'ubuntu'
      ? [moreModules(`the driver ${params.module}`, sh`modprobe --dry-run --quiet ${params.module}`)]
      : []),
    { kind: 'kernel-modules', name: 'kib-watchdog', modules: [params.module] },
    ...(params.mode === 'systemd' ? fedBySystemd(params) : fedByDaemon(context, params)),
  ],
  checks: (_context, params) => [
    moduleCheck(params),
    ...(params.mode === 'systemd' ? [timeoutCheck(params), fedCheck(params, 'systemd')] : [fedCheck(params, 'watchdog')]),
  ],
});

/** What drivers call their watchdog (drivers/watchdog in Linux); not all of them have a parent device that would tell. */
const IDENTITIES: Readonly<Record<string, string>> = {
  i6300esb: 'i6300ESB timer',
  iTCO_wdt: 'iTCO_wdt',
  softdog: 'Software Watchdog',
};

function udevRule({ module }: Params): string {
  const identity = IDENTITIES[module];
  const match =
    identity === undefined
      ? `PROGRAM="/usr/bin/readlink -f /sys%p/device/driver/module", RESULT=="*/${module}"`
      : `ATTR{identity}=="${identity}"`;
  return `SUBSYSTEM=="watchdog", KERNEL=="watchdog[0-9]*", ${match}, SYMLINK+="watchdog-kib"\n`;
}

/** It opens the device when it next starts, which is the first boot of the image: nothing can reset the machine of the build. */
function fedBySystemd({ seconds, rebootSeconds }: Params): readonly Action[] {
  const text = ['[Manager]', `WatchdogDevice=${DEVICE}`, `RuntimeWatchdogSec=${seconds}`, `RebootWatchdogSec=${rebootSeconds}`];
  return [{ kind: 'file', path: '/etc/systemd/system.conf.d/10-kib-watchdog.conf', text: `${text.join('\n')}\n` }];
}

/** Locked in memory and real-time at priority 1, so that a busy machine is not taken for a hung one. */
function fedByDaemon({ os }: RecipeContext, { seconds }: Params): readonly Action[] {
  const settings: Readonly<Record<string, string | number>> = {
    'watchdog-device': DEVICE,
    'watchdog-timeout': seconds,
    interval: Math.max(1, Math.min(10, Math.floor(seconds / 4))),
    realtime: 'yes',
    priority: 1,
  };
  const text = Object.entries(settings)
    .map(([key, value]) => `${key} = ${value}\n`)
    .join('');
  return [
    { kind: 'file', path: '/etc/watchdog.conf', text },
    // Debian's second daemon feeds the device when the first has failed; the two must not both have it.
    ...(os.family === 'debian' ? [{ kind: 'mask', units: ['wd_keepalive.service'] } as const] : []),
    { kind: 'service', unit: 'watchdog.service', enabled: true },
  ];
}

function moduleCheck({ module }: Params): Check {
  return {
    name: 'watchdog/module',
    title: `the driver ${module} is loaded`,
    script: sh`test -d ${`/sys/module/${module.replaceAll('-', '_')}`}`,
    expect: { kind: 'success' },
    when: ['build', 'boot'],
  };
}

function timeoutCheck({ seconds }: Params): Check {
  return {
    name: 'watchdog/timeout',
    title: `systemd wants to feed the watchdog within ${seconds} seconds`,
    script: sh`busctl get-property org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager RuntimeWatchdogUSec`,
    expect: { kind: 'equals', text: `t ${seconds * 1_000_000}` },
    when: ['boot'],
  };
}

/** Who has the device open feeds it. On a machine without that watchdog there is nothing to feed, and a check has nothing to say. */
function fedCheck({ module, seconds }: Params, program: 'systemd' | 'watchdog'): Check {
  return {
    name: 'watchdog/fed',
    title: `${program} feeds the watchdog, where the machine has one`,
    script: sh`
      if [ ! -e ${DEVICE} ]; then
        if grep -qxF ${IDENTITIES[module] ?? module} /sys/class/watchdog/*/identity 2>/dev/null; then
          echo ${`the machine has the watchdog, but no ${DEVICE}`}
          exit 1
        fi
        echo 'no such watchdog in this machine'
        exit 0
      fi
      name=$(basename "$(readlink -f ${DEVICE})")
      for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
        if [ "$(cat "/sys/class/watchdog/$name/state")" = active ]; then break; fi
        sleep 3
      done
      printf '%s, ' "$(cat "/sys/class/watchdog/$name/identity")" "$(cat "/sys/class/watchdog/$name/state")"
      printf '%s s, ' "$(cat "/sys/class/watchdog/$name/timeout")"
      for fd in /proc/[0-9]*/fd/*; do
        case $(readlink "$fd") in
          "/dev/$name" | /dev/watchdog) cat "$(dirname "$(dirname "$fd")")/comm" ;;
        esac
      done 2>/dev/null
    `,
    expect: { kind: 'matches', pattern: `^no such watchdog in this machine$|, active, ${seconds} s, ${program}$` },
    when: ['boot'],
  };
}
