import { join } from 'node:path/posix';
import { pathToFileURL } from 'node:url';
import {
  configError,
  type Download,
  type HostFile,
  KibError,
  lines,
  type PrimitiveAction,
  type ProvisionStep,
  raw,
  type Sh,
  sh,
  sha256,
} from '../core/index.ts';
import type { ResolvedImage } from './resolved.ts';

/** What one step becomes. */
export interface StepPlan {
  readonly actions: readonly PrimitiveAction[];
  readonly downloads: readonly Download[];
}

export type StepFiles = Pick<ResolvedImage, 'provisionFiles' | 'provisionFolders'>;

type Step<K extends PropertyKey> = Extract<ProvisionStep, Record<K, unknown>>;
type RunStep = Step<'shell'> | Step<'script'>;
type Put = Extract<PrimitiveAction, { kind: 'put' }>;
type Tests = Pick<ProvisionStep, 'onlyIf' | 'unless'>;

const REBOOT_TIMEOUT_MS = 600_000;
const INSTALL_TIMEOUT_MS = 300_000;

/** A step in primitives. Pure: what it needs of this host was read before. */
export function planStep(step: ProvisionStep, index: number, files: StepFiles): StepPlan {
  const setting = `provision[${index}]`;
  if ('shell' in step)
    return { actions: [exec(step, asUser(step.user, raw(step.shell)), step.name ?? firstLine(step.shell))], downloads: [] };
  if ('script' in step) return planScript(step, found(files.provisionFiles, step.script, `${setting}.script`));
  if ('reboot' in step) return { actions: [reboot(step)], downloads: [] };
  if ('breakpoint' in step) return { actions: [breakpoint(step)], downloads: [] };
  if ('download' in step) {
    const { download: url, to: path, owner } = step;
    const title = step.name ?? `put ${url.split('/').at(-1)} at ${path}`;
    const put = putOf(url, { title, path, owner, mode: modeOf(step.mode) });
    return { actions: conditional([put], step, title), downloads: [{ url, sha256: step.sha256, why: setting }] };
  }
  if ('file' in step) {
    const file = found(files.provisionFiles, step.file, `${setting}.file`);
    const { to: path, owner } = step;
    const title = step.name ?? `put ${step.file} at ${path}`;
    const download = downloadOf(file, `provision: ${step.file}`);
    return {
      actions: conditional([putOf(download.url, { title, path, owner, mode: modeOf(step.mode) })], step, title),
      downloads: [download],
    };
  }
  return planFolder(step, found(files.provisionFolders ?? {}, step.dir, `${setting}.dir`));
}

function planFolder(step: Step<'dir'>, files: NonNullable<StepFiles['provisionFolders']>[string]): StepPlan {
  const named = files.map(({ name, isExecutable, file }) => ({
    download: downloadOf(file, `provision: ${step.dir}`),
    path: join(step.to, name),
    mode: isExecutable ? '0755' : '0644',
  }));
  const puts = named.map(({ download: { url }, path, mode }) =>
    putOf(url, { title: step.name ?? `put ${path}`, path, mode, owner: step.owner }),
  );
  const title = step.name ?? `put ${step.dir} at ${step.to}`;
  return { actions: conditional(puts, step, title), downloads: named.map(({ download }) => download) };
}

/** The script goes to a file and runs by its own first line, so it may be in any language the guest has. */
function planScript(step: Step<'script'>, { path: source, text }: HostFile): StepPlan {
  if (text === undefined) throw new KibError('KIB_CONFIG_INVALID', `the text of ${source} was not read`);
  // Named by what it is, so that steps before it may come and go.
  const path = `/var/tmp/kib-provision-${sha256(text).slice(0, 12)}`;
  const owner = `${step.user}:root`;
  const put: Put = { kind: 'put', title: `write ${path}`, content: { kind: 'text', text }, path, mode: '0700', owner };
  // It stays for the next attempt when it fails.
  const isAccepted = sh`case ${` ${step.exitCodes.join(' ')} `} in *" $status "*) rm -f ${path} ;; esac`;
  const run = asUser(step.user, sh`${path}`);
  const script = step.exitCodes.length === 0 ? run : sh`${run} || { status=$?; ${isAccepted}; exit "$status"; }`;
  const action = exec(step, lines([script, sh`rm -f ${path}`]), step.name ?? `run ${step.script}`);
  return { actions: [put, action], downloads: [] };
}

function exec(step: RunStep, script: Sh, title: string): Extract<PrimitiveAction, { kind: 'exec' }> {
  const { environment, secrets, exitCodes, pauseSeconds } = step;
  return {
    kind: 'exec',
    title,
    script: lines([...skips(step), ...(step.workdir === '/' ? [] : [sh`cd ${step.workdir}`]), script]),
    timeoutMs: step.timeoutSeconds * 1000,
    attempts: step.attempts,
    ...(pauseSeconds === 5 ? {} : { pauseMs: pauseSeconds * 1000 }),
    ...(exitCodes.length === 0 ? {} : { exitCodes }),
    ...(Object.keys(environment).length === 0 ? {} : { environment }),
    ...(Object.keys(secrets).length === 0 ? {} : { secrets }),
    ...(step.expectDisconnect ? { disconnects: true as const } : {}),
  };
}

/** runuser(1) keeps the variables, secrets among them, but for HOME and the user's names. */
function asUser(user: string, script: Sh): Sh {
  return user === 'root'
    ? script
    : sh`runuser -u ${user} -- env HOME="$(getent passwd ${user} | cut -d: -f6)" /bin/sh -euc ${script.text}`;
}

function reboot(step: Step<'reboot'>): PrimitiveAction {
  const { timeoutSeconds, unless }: { timeoutSeconds?: number; unless?: string | undefined } =
    step.reboot === true ? {} : step.reboot;
  const skip = [...skips(step), ...(unless === undefined ? [] : skips({ unless, onlyIf: undefined }))];
  return {
    kind: 'reboot',
    title: step.name ?? 'reboot',
    timeoutMs: timeoutSeconds === undefined ? REBOOT_TIMEOUT_MS : timeoutSeconds * 1000,
    ...(skip.length === 0 ? {} : { unless: lines([...skip, sh`exit 1`]) }),
  };
}

function breakpoint(step: Step<'breakpoint'>): PrimitiveAction {
  const skip = skips(step);
  return {
    kind: 'breakpoint',
    title: step.name ?? 'breakpoint',
    message: step.breakpoint,
    timeoutMs: step.timeoutSeconds * 1000,
    ...(skip.length === 0 ? {} : { unless: lines([...skip, sh`exit 1`]) }),
  };
}

/** Leaves the script, successfully, when the guest is not as the step wants it. */
function skips({ onlyIf, unless }: Tests): readonly Sh[] {
  return [
    ...(onlyIf === undefined ? [] : [sh`if ! /bin/sh -euc ${onlyIf}; then echo ${'left out: onlyIf failed'}; exit 0; fi`]),
    ...(unless === undefined ? [] : [sh`if /bin/sh -euc ${unless}; then echo ${'left out: unless succeeded'}; exit 0; fi`]),
  ];
}

/** Files that only some guests get are put aside first; the guest decides whether to install them, all or none. */
function conditional(puts: readonly Put[], step: Tests, title: string): readonly PrimitiveAction[] {
  if (step.onlyIf === undefined && step.unless === undefined) return puts;
  const aside = `/var/tmp/kib-provision-${sha256(JSON.stringify(puts)).slice(0, 12)}`;
  const staged = puts.map((put, index) => ({ ...put, path: join(aside, String(index)), mode: '0600', owner: 'root:root' }));
  const installs = puts.map(({ path, mode, owner }, index) => {
    const [user = 'root', group = user] = owner.split(':');
    return sh`install -D -T -m ${mode} -o ${user} -g ${group} ${join(aside, String(index))} ${path}`;
  });
  const restore = sh`if command -v restorecon >/dev/null 2>&1; then restorecon ${puts.map(({ path }) => path)}; fi`;
  const script = lines([sh`trap ${`rm -rf ${aside}`} EXIT`, ...skips(step), ...installs, restore]);
  return [...staged, { kind: 'exec', title, script, timeoutMs: INSTALL_TIMEOUT_MS }];
}

function putOf(url: string, rest: Pick<Put, 'title' | 'path' | 'mode' | 'owner'>): Put {
  return { kind: 'put', content: { kind: 'download', url }, ...rest };
}

function downloadOf({ path, sha256: digest }: HostFile, why: string): Download {
  return { url: pathToFileURL(path).href, sha256: digest, why };
}

function modeOf(mode: string): string {
  return mode.padStart(4, '0');
}

function found<T>(files: Readonly<Record<string, T>>, path: string, setting: string): T {
  const file = files[path];
  if (file === undefined) throw configError([{ path: setting, message: `${path} was not read from this host` }]);
  return file;
}

function firstLine(script: string): string {
  const line = script.trim().split('\n')[0] ?? '';
  return line.length > 60 ? `${line.slice(0, 59)}…` : line;
}
