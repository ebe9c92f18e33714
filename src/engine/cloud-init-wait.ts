import { type Context, isKibError, KibError, type Sh, sh } from '../core/index.ts';
import type { Guest } from './guest.ts';

/** How far cloud-init must have come: its whole run, or its network stage, after which a build's seed leaves it nothing to do. */
export type CloudInitStage = 'final' | 'network';

/** Exits when both stages of it are over without an error. Keys are sorted, and releases before 23.4 know no recoverable errors. */
const networkStage = sh`
  stages=$(tr -d ' \n' </run/cloud-init/status.json | grep -Eo '"init(-local)?":[{]"errors":\[\],"finished":[0-9.]+,("recoverable_errors":[{][}],)?"start"' | wc -l)
  if [ "$stages" -eq 2 ]; then echo done; exit 0; fi
`;

/**
 * cloud-init writes status.json at the end of each stage and result.json at the end of its last one. Looking at them spares an
 * emulated guest the seconds that `cloud-init status` takes to start; that is asked only when something is not as it should be.
 */
export const statusScript = (stage: CloudInitStage): Sh => sh`
  if ! command -v cloud-init >/dev/null 2>&1; then echo none; exit 0; fi
  until [ -e /run/cloud-init/result.json ] || [ -e /run/cloud-init/disabled ]; do
    ${stage === 'network' ? networkStage : sh`:`}
    systemctl is-failed --quiet cloud-init-local.service cloud-init-main.service cloud-final.service && break
    sleep 0.2
  done
  if grep -q '"errors": \[\]' /run/cloud-init/result.json 2>/dev/null &&
    ! grep -Eq '"(WARNING|ERROR|CRITICAL|DEPRECATED)": \[' /run/cloud-init/status.json; then
    echo done
    exit 0
  fi
  code=0
  cloud-init status --wait --format json 2>/dev/null || code=$?
  if [ "$code" -gt 2 ]; then code=0; cloud-init status --wait --long || code=$?; fi
  exit "$code"
`;

/**
 * Waits until cloud-init is done with `stage` and all before it. Throws KIB_CLOUDINIT_FAILED when it reports an error or is not done within
 * `ms`; a recoverable error (exit code 2 of `cloud-init status`) becomes a warning.
 */
export async function waitForCloudInit(
  guest: Guest,
  stage: CloudInitStage,
  ms: number,
  context: Pick<Context, 'signal' | 'span'>,
): Promise<void> {
  try {
    const { exitCode, stdout } = await guest.run(statusScript(stage), {
      signal: context.signal,
      timeoutMs: ms / guest.slowness,
      okCodes: [0, 1, 2],
    });
    if (exitCode === 0) return;
    const report = reportOf(stdout);
    if (exitCode === 2) context.span.warn('KIB_CLOUDINIT_FAILED', `cloud-init recovered from errors: ${report}`);
    else
      throw new KibError('KIB_CLOUDINIT_FAILED', `cloud-init failed: ${report}`, {
        hint: 'see /var/log/cloud-init.log in the guest',
      });
  } catch (error) {
    if (!isKibError(error) || error.code !== 'KIB_ACTION_TIMEOUT') throw error;
    throw new KibError('KIB_CLOUDINIT_FAILED', `cloud-init was not done within ${Math.round(ms / 1000)} s`, {
      hint: 'see /var/log/cloud-init.log in the guest',
      cause: error,
    });
  }
}

/** The errors of `cloud-init status --format json`, or its text as it is. */
export function reportOf(stdout: string): string {
  try {
    const status = JSON.parse(stdout) as {
      errors?: readonly string[];
      recoverable_errors?: Readonly<Record<string, readonly string[]>>;
    };
    const recoverable = Object.entries(status.recoverable_errors ?? {}).flatMap(([level, texts]) =>
      texts.map((text) => `${level}: ${text}`),
    );
    const all = [...(status.errors ?? []), ...recoverable];
    return all.length === 0 ? stdout.trim() : all.join('; ');
  } catch {
    return stdout.trim();
  }
}
