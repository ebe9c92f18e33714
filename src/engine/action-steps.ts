import { KibError, lines, type PlannedAction, type Sh, sh } from '../core/index.ts';
import type { ScriptStep } from './script.ts';

/** Actions that can share one script. */
export type ScriptAction = Extract<PlannedAction, { kind: 'exec' | 'put' }>;

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

/** Copies beside the target and renames, so that nobody ever sees half a file. A symlink at the target is replaced. */
function installFile(action: Extract<ScriptAction, { kind: 'put' }>, source: Sh): Sh {
  const folder = action.path.slice(0, action.path.lastIndexOf('/')) || '/';
  return sh`
    if [ -d ${action.path} ]; then echo ${`${action.path} is a folder`} >&2; exit 1; fi
    mkdir -p ${folder}
    new=$(mktemp ${`${folder === '/' ? '' : folder}/.kib.XXXXXXXXXX`})
    trap 'rm -f "$new"' EXIT
    cat ${source} >"$new"
    chown ${action.owner} "$new"
    chmod ${action.mode} "$new"
    mv -f "$new" ${action.path}
    trap - EXIT
    if command -v restorecon >/dev/null 2>&1; then restorecon ${action.path}; fi
  `;
}
