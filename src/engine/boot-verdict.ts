import type { BootFailure } from './boot-failures.ts';
import { BOOT_PHASES, type BootPhase, type BootState, later } from './boot-phases.ts';
import type { LoginWay } from './login.ts';

/** What came of the last try to log in. */
export type LoginTry = 'none' | 'no-server' | 'broken' | 'host-key' | 'key-refused';

/** All that is known of a boot under way. Times are the clock's. */
export interface Evidence {
  readonly state: BootState;
  readonly login: LoginTry;
  /** Furthest phase by console and SSH together, and since when. */
  readonly phase: BootPhase;
  readonly phaseSince: number;
  readonly failureSince: number | undefined;
  /** Since when the system has nothing more to do: see isSettled. */
  readonly settledSince: number | undefined;
}

export type BootVerdict = Omit<BootFailure, 'pattern' | 'graceMs'>;

/** Milliseconds each phase may take on hardware virtualisation; multiplied by the machine's slowness. */
export type BootDeadlines = Readonly<Record<BootPhase, number>>;

/** A bootloader gets long because some kernels never write to the serial console: what looks like GRUB then is the whole boot. */
export const BOOT_DEADLINES: BootDeadlines = {
  firmware: 30_000,
  bootloader: 90_000,
  kernel: 60_000,
  systemd: 120_000,
  'cloud-init': 240_000,
  sshd: 60_000,
  login: 300_000,
};

/** How long a settled system may still change its mind. */
const SETTLED_GRACE_MS = 3000;
/** A login prompt alone says little: services may still be starting behind it. */
const PROMPT_GRACE_MS = 15_000;
const MAX_RESTARTS = 3;

export const firstEvidence = (state: BootState, now: number): Evidence => ({
  state,
  login: 'none',
  phase: state.phase,
  phaseSince: now,
  failureSince: undefined,
  settledSince: undefined,
});

/** The evidence with a new console state or login try. */
export function addEvidence(before: Evidence, news: Partial<Pick<Evidence, 'state' | 'login'>>, now: number): Evidence {
  const state = news.state ?? before.state;
  const login = news.login ?? before.login;
  const restarted = state.restarts > before.state.restarts;
  const shown = login === 'none' || login === 'no-server' ? state.phase : later(state.phase, 'sshd');
  const phase = restarted ? shown : later(before.phase, shown);
  return {
    state,
    login,
    phase,
    phaseSince: phase === before.phase && !restarted ? before.phaseSince : now,
    failureSince: state.failure === undefined ? undefined : state.failure === before.state.failure ? before.failureSince : now,
    settledSince: isSettled(state) ? (restarted ? now : (before.settledSince ?? now)) : undefined,
  };
}

/** Names what is wrong, as soon as it is certain; undefined while the boot may still succeed. */
export function judgeBoot(
  evidence: Evidence,
  now: number,
  slowness: number,
  deadlines: BootDeadlines,
  way: LoginWay = 'nocloud',
): BootVerdict | undefined {
  const { state, failureSince, settledSince } = evidence;
  if (state.failure !== undefined && failureSince !== undefined && now - failureSince >= state.failure.graceMs)
    return state.failure;
  if (state.restarts >= MAX_RESTARTS) {
    const what = `the machine restarted ${state.restarts} times without coming up`;
    return { code: 'KIB_BOOT_PANIC', what, hint: 'the console lines before the last restart say why' };
  }
  // Without cloud-init to wait for the system is up before its network need be.
  const isVague = way === 'credentials' || (state.up === 'prompt' && state.cloudInit !== 'finished');
  const grace = (isVague ? PROMPT_GRACE_MS : SETTLED_GRACE_MS) * slowness;
  const isPastGrace = settledSince !== undefined && now - settledSince >= grace;
  if (isPastGrace && isSeedIgnored(evidence)) return ignored(evidence, way);
  if (isPastGrace && evidence.login === 'no-server') return noServer(evidence);
  if (now - evidence.phaseSince < deadlines[evidence.phase] * slowness) return undefined;
  return isSeedIgnored(evidence) ? ignored(evidence, way) : timeout(evidence, now);
}

/** Whether everything that could still start an SSH server or apply the seed has had its turn. */
function isSettled(state: BootState): boolean {
  if (state.cloudInit === 'finished') return true;
  return state.up !== 'no' && state.cloudInit === 'unseen';
}

function isSeedIgnored({ state, login }: Evidence): boolean {
  if (login === 'host-key' || login === 'key-refused') return true;
  // systemd told of every unit it started, and cloud-init was not among them; without host keys no sshd starts either.
  return login === 'no-server' && state.up === 'multi-user' && state.cloudInit === 'unseen';
}

function ignored({ state, login }: Evidence, way: LoginWay): BootVerdict {
  const whose = way === 'nocloud' ? 'the seed’s' : 'the build’s';
  const how =
    login === 'host-key'
      ? `its SSH server shows another host key than ${whose}`
      : login === 'key-refused'
        ? `its SSH server refuses ${whose} login key`
        : 'no SSH server answers';
  if (way === 'credentials') {
    return { code: 'KIB_SEED_IGNORED', what: `the system is up, but ${how}`, hint: 'the base must apply system credentials' };
  }
  if (state.cloudInit === 'unseen') {
    const what = `the system is up, but cloud-init did not run, and ${how}`;
    return { code: 'KIB_SEED_IGNORED', what, hint: 'the base needs cloud-init, enabled, with the NoCloud datasource' };
  }
  const what = `the system is up, but ${how}`;
  return { code: 'KIB_SEED_IGNORED', what, hint: 'the base must apply NoCloud seeds: look at datasource_list in its /etc/cloud' };
}

function noServer({ state }: Evidence): BootVerdict {
  const failed = state.remarks.find((remark) => /ssh/i.test(remark));
  const what = `the system is up, but no SSH server answers${failed === undefined ? '' : ` (${failed})`}`;
  return { code: 'KIB_BOOT_NO_SSHD', what, hint: 'the base needs an enabled SSH server, reachable on port 22' };
}

function timeout({ phase, phaseSince, login }: Evidence, now: number): BootVerdict {
  const next = BOOT_PHASES[BOOT_PHASES.indexOf(phase) + 1];
  const seconds = Math.round((now - phaseSince) / 1000);
  const what =
    phase === 'sshd' && login !== 'no-server'
      ? `its SSH server answers, but no login came about within ${seconds} s`
      : `it hung in phase ${phase}: nothing of ${next} within ${seconds} s`;
  const hint =
    phase === 'bootloader'
      ? 'does the kernel write to the serial console (console=ttyS0)? look at the screenshot'
      : 'look at console.log in the log folder';
  return { code: 'KIB_BOOT_TIMEOUT', what, hint };
}
