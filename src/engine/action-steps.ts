import { KibError, lines, type PlannedAction, type Sh, sh } from '../core/index.ts';
import type { ScriptStep } from './script.ts';

/** Actions that can share one script. */
export type ScriptAction = Extract<PlannedAction, { kind: 'exec' | 'put' }>;

/** Actions that run by themselves. */
export type SingleAction = Exclude<PlannedAction, ScriptAction>;

/** A download as it lies in the guest, before it is installed. */
export interface StagedFile {
  readonly path: string;
  /** Lower-case hex. */
  readonly sha256: string;
}

const RETRY_PAUSE_MS = 5000;
/** Installing a file is a copy within the guest; large container images take a while under emulation. */
const PUT_TIMEOUT_MS = 300_000;

/** Whether the action's file must be uploaded before the script runs. */
export function downloadUrl(action: ScriptAction): string | undefined {
  return action.kind === 'put' && action.content.kind === 'download' ? action.content.url : undefined;
}

/** The script step of an action. `staged` finds the uploaded file of a download; timeouts are multiplied by `slowness`. */
export function actionStep(action: ScriptAction, staged: ReadonlyMap<string, StagedFile>, slowness: number): ScriptStep {
  const common = { pauseMs: RETRY_PAUSE_MS, stderr: 'merge' } as const;
  if (action.kind === 'exec') {
    return { ...common, script: action.script, timeoutMs: action.timeoutMs * slowness, attempts: action.attempts ?? 1 };
  }
  const timeoutMs = PUT_TIMEOUT_MS * slowness;
  if (action.content.kind === 'text') {
    return { ...common, script: installFile(action, sh`"\${0%.sh}.data"`), data: action.content.text, timeoutMs, attempts: 1 };
  }
  const file = staged.get(action.content.url);
  if (file === undefined) {
    throw new KibError('KIB_TRANSFER', `${action.id} puts ${action.content.url}, which was not uploaded`);
  }
  const verify = sh`
    sum=$(sha256sum <${file.path})
    if [ "$sum" != ${`${file.sha256}  -`} ]; then
      echo ${action.path}: wanted SHA-256 ${file.sha256}, got "\${sum%% *}" >&2
      exit 1
    fi
  `;
  return { ...common, script: lines([verify, installFile(action, sh`${file.path}`)]), timeoutMs, attempts: 1 };
}

/** Missing folders become 0755; what was at the path, a symlink too, is replaced. */
function installFile({ path, mode, owner }: Extract<ScriptAction, { kind: 'put' }>, source: Sh): Sh {
  const [user = 'root', group = user] = owner.split(':');
  return sh`
    install -D -T -m ${mode} -o ${user} -g ${group} ${source} ${path}
    if command -v restorecon >/dev/null 2>&1; then restorecon ${path}; fi
  `;
}
