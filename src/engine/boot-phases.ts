import { BOOT_FAILURES, type BootFailure } from './boot-failures.ts';

/** Stretches of a boot, in order. `sshd`: its server runs or the system is up; `login`: we are in. */
export const BOOT_PHASES = ['firmware', 'bootloader', 'kernel', 'systemd', 'cloud-init', 'sshd', 'login'] as const;
export type BootPhase = (typeof BOOT_PHASES)[number];

/** What the console has shown so far. */
export interface BootState {
  readonly phase: BootPhase;
  /** The last named failure, unless the boot went on after it. */
  readonly failure: BootFailure | undefined;
  /** How we know that the system is up: a login prompt, or systemd saying that it reached multi-user.target. */
  readonly up: 'no' | 'prompt' | 'multi-user';
  readonly cloudInit: 'unseen' | 'running' | 'finished';
  /** Unit failures and warnings worth telling when the boot fails later. */
  readonly remarks: readonly string[];
  /** How often the machine began anew. */
  readonly restarts: number;
}

export const POWER_ON: BootState = {
  phase: 'firmware',
  failure: undefined,
  up: 'no',
  cloudInit: 'unseen',
  remarks: [],
  restarts: 0,
};

/** Texts of SeaBIOS, OVMF, GRUB, Linux, systemd and cloud-init that show a phase has begun; the furthest match counts. */
const SIGNS: readonly (readonly [BootPhase, RegExp])[] = [
  [
    'bootloader',
    /GRUB loading|Welcome to GRUB|GNU GRUB|Booting from Hard Disk|BdsDxe: starting (?!.*(PXE|HTTP|Shell))|EFI stub:/,
  ],
  ['kernel', /^\[ *\d+\.\d{6}\]|Decompressing Linux|^Loading, please wait|^Begin: /],
  ['systemd', /systemd\[1\]: systemd \d|\[ {2}OK {2}\] |\[FAILED\] |^Welcome to .*!$/],
  ['cloud-init', /cloud-(init|config|final)\S*\.service|Cloud-init v\. |cloud-init\[\d+\]|(Starting|Finished) .*cloud-init/],
  ['sshd', /Started .*(\bsshd?\.service|Secure Shell server|OpenSSH (server )?daemon)|Reached target .*[Mm]ulti-[Uu]ser/],
];

const RESTART = /SeaBIOS \(version|BdsDxe: loading Boot|^\[ *0\.000000\] Linux version/;
const MULTI_USER = /Reached target .*[Mm]ulti-[Uu]ser/;
/** A login prompt of getty: Debian, Ubuntu and Enterprise Linux all end so. */
const PROMPT = /^\S+ login: ?$/;
const CLOUD_INIT_FINISHED =
  /Cloud-init v\. \S+ finished at|Reached target .*[Cc]loud-init( target|\.target)|(Finished|Failed to start) .*(cloud-final\.service|Cloud-init: Final Stage|cloud user\/final scripts)/;
const REMARK = /\[FAILED\] |Failed to start |\.py\[(WARNING|ERROR|CRITICAL)\]|Failed to mount /;
const MAX_REMARKS = 10;

/** The state after one more console line, terminal escapes removed. */
export function observe(state: BootState, line: string): BootState {
  const before = hasRestarted(state, line) ? { ...POWER_ON, restarts: state.restarts + 1 } : state;
  const phase = SIGNS.reduce<BootPhase>(
    (furthest, [sign, pattern]) => (pattern.test(line) ? later(furthest, sign) : furthest),
    before.phase,
  );
  const named = BOOT_FAILURES.find((failure) => failure.pattern.test(line));
  const kept = phase === before.phase || before.failure?.graceMs === 0 ? before.failure : undefined;
  return {
    phase,
    // The first failure is the cause, what follows it a consequence: a CPU too old ends in a panic.
    failure: kept !== undefined && kept.graceMs <= (named?.graceMs ?? Number.POSITIVE_INFINITY) ? kept : (named ?? kept),
    up: MULTI_USER.test(line) ? 'multi-user' : PROMPT.test(line) && before.up === 'no' ? 'prompt' : before.up,
    cloudInit: CLOUD_INIT_FINISHED.test(line)
      ? 'finished'
      : phase === 'cloud-init' && before.cloudInit === 'unseen'
        ? 'running'
        : before.cloudInit,
    remarks: REMARK.test(line) ? [...before.remarks, line.trim()].slice(-MAX_REMARKS) : before.remarks,
    restarts: before.restarts,
  };
}

/** The later of two phases. */
export function later(a: BootPhase, b: BootPhase): BootPhase {
  return BOOT_PHASES.indexOf(a) >= BOOT_PHASES.indexOf(b) ? a : b;
}

function hasRestarted(state: BootState, line: string): boolean {
  if (!RESTART.test(line)) return false;
  const isKernel = line.includes('Linux version');
  return BOOT_PHASES.indexOf(state.phase) > BOOT_PHASES.indexOf(isKernel ? 'kernel' : 'bootloader');
}
