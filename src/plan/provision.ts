import { pathToFileURL } from 'node:url';
import { configError, type Download, KibError, lines, type PrimitiveAction, type ProvisionStep, raw, sh } from '../core/index.ts';
import type { HostFile, ResolvedImage } from './resolved.ts';

export interface ProvisionPlan {
  readonly actions: readonly PrimitiveAction[];
  readonly downloads: readonly Download[];
}

const REBOOT_TIMEOUT_MS = 600_000;

/** The user's own steps as actions. */
export function planProvision({ spec, provisionFiles }: Pick<ResolvedImage, 'spec' | 'provisionFiles'>): ProvisionPlan {
  const plans = spec.provision.map((step, index) => planStep(step, index, provisionFiles));
  return { actions: plans.flatMap(({ actions }) => actions), downloads: plans.flatMap(({ downloads }) => downloads) };
}

function planStep(step: ProvisionStep, index: number, files: ResolvedImage['provisionFiles']): ProvisionPlan {
  if ('reboot' in step) return { actions: [{ kind: 'reboot', title: 'reboot', timeoutMs: REBOOT_TIMEOUT_MS }], downloads: [] };
  if ('file' in step) return planFile(step, hostFile(files, step.file, `provision[${index}].file`));
  const limits = { timeoutMs: step.timeoutSeconds * 1000, attempts: step.attempts };
  if ('script' in step) {
    const title = step.name ?? `run ${step.script}`;
    return planScript(
      title,
      `/var/tmp/kib-provision-${index}`,
      hostFile(files, step.script, `provision[${index}].script`),
      limits,
    );
  }
  return {
    actions: [{ kind: 'exec', title: step.name ?? firstLine(step.shell), script: raw(step.shell), ...limits }],
    downloads: [],
  };
}

function planFile(step: Extract<ProvisionStep, { file: string }>, file: HostFile): ProvisionPlan {
  const download = { url: pathToFileURL(file.path).href, sha256: file.sha256, why: `provision: ${step.file}` };
  const { to: path, owner } = step;
  const mode = step.mode.padStart(4, '0');
  const content = { kind: 'download', url: download.url } as const;
  return { actions: [{ kind: 'put', title: `put ${step.file} at ${path}`, content, path, mode, owner }], downloads: [download] };
}

/** The script goes to a file and runs by its own first line, so it may be in any language the guest has. */
function planScript(
  title: string,
  path: string,
  file: HostFile,
  limits: { readonly timeoutMs: number; readonly attempts: number },
): ProvisionPlan {
  if (file.text === undefined) throw new KibError('KIB_CONFIG_INVALID', `the text of ${file.path} was not read`);
  return {
    actions: [
      {
        kind: 'put',
        title: `write ${path}`,
        content: { kind: 'text', text: file.text },
        path,
        mode: '0700',
        owner: 'root:root',
      },
      { kind: 'exec', title, script: lines([sh`${path}`, sh`rm -f ${path}`]), ...limits },
    ],
    downloads: [],
  };
}

function hostFile(files: ResolvedImage['provisionFiles'], path: string, setting: string): HostFile {
  const file = files[path];
  if (file === undefined) throw configError([{ path: setting, message: `${path} was not read from this host` }]);
  return file;
}

function firstLine(script: string): string {
  const line = script.trim().split('\n')[0] ?? '';
  return line.length > 60 ? `${line.slice(0, 59)}…` : line;
}
