import { KibError, lines, type PlannedAction, type Sh, sh } from '../core/index.ts';
import type { ScriptStep } from './script.ts';
import type { SecretValues } from './secrets.ts';

/** Actions that can share one script. */
export type ScriptAction = Extract<PlannedAction, { kind: 'exec' | 'put' }>;

/** Actions that run by themselves. */
export type SingleAction = Exclude<PlannedAction, ScriptAction>;

export type BreakpointAction = Extract<PlannedAction, { kind: 'breakpoint' }>;

const RETRY_PAUSE_MS = 5000;
/** Installing a file is a copy within the guest; large container images take a while under emulation. */
const PUT_TIMEOUT_MS = 300_000;

/** Whether the action's file must be uploaded before the script runs. */
export function downloadUrl(action: ScriptAction): string | undefined {
  return action.kind === 'put' && action.content.kind === 'download' ? action.content.url : undefined;
}

export interface StepOptions {
  /** Where in the guest the (verified) upload of a URL lies. */
  readonly staged: ReadonlyMap<string, string>;
  /** Content of the URLs whose files were not uploaded, since they are small. */
  readonly small?: ReadonlyMap<string, Uint8Array>;
  /** Timeouts are multiplied by it. */
  readonly slowness: number;
  /** Leads the package manager to a cache, in the first attempt: a later one must not fail for the same reason. */
  readonly packageWrapper?: Sh | undefined;
  /** Of the whole plan; needed by actions that name some. */
  readonly secrets?: SecretValues | undefined;
}

/** The script step of an action. */
export function actionStep(action: ScriptAction, { staged, small, slowness, packageWrapper, secrets }: StepOptions): ScriptStep {
  const common = { pauseMs: RETRY_PAUSE_MS, stderr: 'merge' } as const;
  if (action.kind === 'exec') {
    const first = action.packages === true && packageWrapper !== undefined ? { first: packageWrapper } : {};
    return {
      pauseMs: action.pauseMs ?? RETRY_PAUSE_MS,
      stderr: 'merge',
      ...first,
      ...variables(action, secrets),
      ...(action.exitCodes === undefined ? {} : { okCodes: [0, ...action.exitCodes] }),
      script: action.script,
      timeoutMs: action.timeoutMs * slowness,
      attempts: action.attempts ?? 1,
    };
  }
  const timeoutMs = PUT_TIMEOUT_MS * slowness;
  const { content } = action;
  const withData = (data: string | Uint8Array): ScriptStep => {
    return { ...common, script: installFile(action, sh`"\${0%.sh}.data"`), data, timeoutMs, attempts: 1 };
  };
  if (content.kind === 'text') return withData(content.text);
  const bytes = small?.get(content.url);
  if (bytes !== undefined) return withData(bytes);
  const path = staged.get(content.url);
  if (path === undefined) throw new KibError('KIB_TRANSFER', `${action.id} puts ${content.url}, which was not uploaded`);
  return { ...common, script: installFile(action, sh`${path}`), timeoutMs, attempts: 1 };
}

/** What the action wants in its environment. */
function variables(
  { id, environment = {}, secrets = {} }: Extract<ScriptAction, { kind: 'exec' }>,
  values: SecretValues | undefined,
): { readonly environment?: Sh } {
  const plain = Object.entries(environment).map(([name, value]) => sh`export ${name}=${value}`);
  const secret = Object.entries(secrets).map(([name, ref]) => {
    if (values === undefined) throw new Error(`${id} wants the secret ${name}, which nobody read`);
    return sh`export ${name}=${values.of(ref)}`;
  });
  return plain.length + secret.length === 0 ? {} : { environment: lines([...plain, ...secret]) };
}

/** Missing folders become 0755; what was at the path, a symlink too, is replaced. */
function installFile({ path, mode, owner }: Extract<ScriptAction, { kind: 'put' }>, source: Sh): Sh {
  const [user = 'root', group = user] = owner.split(':');
  return sh`
    install -D -T -m ${mode} -o ${user} -g ${group} ${source} ${path}
    if command -v restorecon >/dev/null 2>&1; then restorecon ${path}; fi
  `;
}
