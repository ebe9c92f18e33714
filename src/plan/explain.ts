import {
  type BaseSource,
  type BuildPlan,
  type Check,
  formatBytes,
  formatDuration,
  type MachineSpec,
  type PlannedAction,
  type PreviewLine,
  quote,
  type Requirement,
  type SecretRef,
  sha256,
} from '../core/index.ts';

/** Longer files, such as keys, are named by their digest; the plan as JSON holds them whole. */
const SHOWN_LINES = 30;

/** The text of `kib-native plan`: everything a build would do, in the order it would. Ends with a newline. */
export function explainPlan(plan: BuildPlan): string {
  const { layers, seal, checks, requirements, exports, properties } = plan;
  const count = layers.reduce((sum, layer) => sum + layer.actions.length, seal.length);
  return [
    `${plan.name}  (${plan.os.title}, ${plan.machine.arch})`,
    ...section('base', base(plan.base)),
    ...section('machine', [machine(plan.machine)]),
    ...section(`driver ${plan.driver.name}`, plan.driver.preview.flatMap(preview)),
    ...section(
      `recipes`,
      plan.recipes.map(({ name, params }) => `${name} ${JSON.stringify(params)}`),
    ),
    ...section(`downloads (${requirements.length})`, requirements.flatMap(requirement)),
    ...section(
      `actions (${count})`,
      layers.flatMap((layer) => [`layer ${layer.name} ${layer.key.slice(0, 12)}`, ...indent(layer.actions.flatMap(action))]),
    ),
    ...section('seal', seal.flatMap(action)),
    ...section(
      'exports',
      exports.map(({ format, options }) => `${format} ${JSON.stringify(options)}`),
    ),
    ...section('checks, before sealing (build) and on a fresh boot of the finished file (boot)', checks.flatMap(check)),
    ...section(
      'properties',
      Object.entries(properties).map(([name, value]) => `${name}=${value}`),
    ),
    '',
  ].join('\n');
}

function section(title: string, lines: readonly string[]): readonly string[] {
  return ['', title, ...indent(lines.length === 0 ? ['none'] : lines)];
}

function indent(lines: readonly string[]): readonly string[] {
  return lines.map((line) => (line === '' ? line : `  ${line}`));
}

function base(source: BaseSource): readonly string[] {
  switch (source.kind) {
    case 'cloud-image':
      return [
        `cloud image ${source.url} (${source.format})`,
        ...(source.archives ?? []).map((url) => `once it is gone, ${url}`),
        ...checksum(source.checksum),
      ];
    case 'ami':
      return [`Amazon machine image ${Object.values(source.ami).join(' ')}`];
    case 'template':
      return [`template ${source.name} of the hypervisor`];
    case 'file':
      return [
        `file ${source.path} (${source.format})`,
        source.digest === undefined ? 'digest is not checked' : `${source.digest.algorithm} ${source.digest.hex}`,
      ];
    case 'bootstrap':
      return [
        `assembled from the package archive, suite ${source.suite}`,
        `archive ${source.mirror ?? 'as this host uses it'}`,
        ...(source.packages.length === 0 ? [] : [`with ${source.packages.join(', ')}`]),
      ];
  }
}

function checksum(source: Extract<BaseSource, { kind: 'cloud-image' }>['checksum']): readonly string[] {
  if (source.kind === 'pinned') return [`${source.digest.algorithm} ${source.digest.hex}, pinned`];
  const { url, algorithm, entry, signature } = source;
  const named = entry === undefined ? '' : `, entry ${entry}`;
  if (signature === undefined) return [`${algorithm} from ${url}${named}, which nobody signed`];
  const where = signature.kind === 'detached' ? `signature ${signature.url}` : 'signed inline';
  return [`${algorithm} from ${url}${named}`, where, `key ${signature.key.fingerprint} (${signature.key.owner})`];
}

function machine({ arch, firmware, cpus, memoryBytes, diskBytes, x86Level }: MachineSpec): string {
  const level = arch === 'amd64' && x86Level > 1 ? `, needs x86-64-v${x86Level}` : '';
  return `${arch}, ${firmware}, ${cpus} CPUs, ${formatBytes(memoryBytes)} memory, ${formatBytes(diskBytes)} disk${level}`;
}

/** A comment and the command or call. */
export function preview({ title, argv }: PreviewLine): readonly string[] {
  return [`# ${title}`, argv.map(quote).join(' ')];
}

function requirement({ url, sha256: hex, sha512, checksumUrl, why }: Requirement): readonly string[] {
  if (hex === undefined && sha512 !== undefined) return [url, `  sha512 ${sha512}; for ${why}`];
  const digest = hex ?? (checksumUrl === undefined ? 'computed from the file' : `from ${checksumUrl}`);
  return [url, `  sha256 ${digest}; for ${why}`];
}

function action(planned: PlannedAction): readonly string[] {
  const head = `${planned.id}  ${planned.title}`;
  const body = actionBody(planned, SHOWN_LINES).map((line) => `  | ${line}`);
  if (planned.kind !== 'exec') return [head, ...body];
  const tries = planned.attempts === undefined || planned.attempts === 1 ? '' : `, ${planned.attempts} attempts`;
  return [`${head}  (at most ${formatDuration(planned.timeoutMs)}${tries})`, ...body];
}

/** What an action does, line by line, secrets masked; not its title, deadline and attempts. Files of more than `shownLines` lines are named by their digest. */
export function actionBody(planned: PlannedAction, shownLines: number): readonly string[] {
  switch (planned.kind) {
    case 'exec':
      return [...variables(planned), ...planned.script.masked.split('\n')];
    case 'put': {
      const target = `${planned.path} ${planned.mode} ${planned.owner}`;
      if (planned.content.kind === 'download') return [`${target}, from ${planned.content.url}`];
      return [target, ...contentOf(planned.content.text, shownLines)];
    }
    case 'reboot':
      return planned.unless === undefined ? [] : ['not when this succeeds', ...planned.unless.masked.split('\n')];
    case 'breakpoint':
      return planned.message.split('\n');
    case 'custom':
      return [planned.key];
  }
}

function variables({ environment = {}, secrets = {} }: Extract<PlannedAction, { kind: 'exec' }>): readonly string[] {
  return [
    ...Object.entries(environment).map(([name, value]) => `${name}=${quote(value)}`),
    ...Object.entries(secrets).map(([name, ref]) => `${name}=*** (${sourceOf(ref)})`),
  ];
}

function sourceOf(ref: SecretRef): string {
  if ('env' in ref) return `variable ${ref.env}`;
  return 'file' in ref ? `file ${ref.file}` : `printed by ${ref.command.map(quote).join(' ')}`;
}

function contentOf(text: string, shownLines: number): readonly string[] {
  const lines = text.trimEnd().split('\n');
  return lines.length <= shownLines ? lines : [`${lines[0]} … ${lines.length} lines, sha256 ${sha256(text)}`];
}

function quoted(text: string): readonly string[] {
  return text.split('\n').map((line) => `  | ${line}`);
}

function check(check: Check): readonly string[] {
  return [
    `${check.name}  ${check.title}  (${check.when.join(', ')})`,
    ...quoted(check.script.masked),
    `  = ${expectation(check)}`,
  ];
}

function expectation({ expect }: Check): string {
  switch (expect.kind) {
    case 'success':
      return 'exits 0';
    case 'equals':
      return `prints ${JSON.stringify(expect.text)}`;
    case 'matches':
      return `prints something like /${expect.pattern}/`;
  }
}
