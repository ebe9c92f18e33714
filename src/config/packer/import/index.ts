import { dirname, resolve } from 'node:path';
import { type ConfigIssue, configError } from '../../../core/index.ts';
import { assignVariables } from '../../assign.ts';
import { type ConfigDocument, parseConfig } from '../../document.ts';
import { osNamed } from '../../os-names.ts';
import { type Registry, type RootSchema, rootSchema } from '../../schema.ts';
import { readSource } from '../../source-file.ts';
import { isSettings, type Variable } from '../../variables.ts';
import { ANSIBLE_BUNDLES } from '../ansible.ts';
import { releaseOf } from '../convert.ts';
import { parseHcl } from '../hcl.ts';
import { HclError } from '../hcl-value.ts';
import { isPackerName } from '../interpret.ts';
import { BUILDER_NAMES } from '../names.ts';
import { parseHclVariables, placeIn } from '../var-file.ts';
import { NO_SECRET } from './builder-parts.ts';
import { isKnownBuilder, takeBuilder } from './builders.ts';
import { Draft } from './draft.ts';
import { guessDriver, guessSystem } from './guess.ts';
import { extraVariables, readPlaybook } from './playbook.ts';
import { takePostProcessor, takeProvisioner } from './provisioners.ts';
import { readHclTemplate } from './read-hcl.ts';
import { type Given, isJsonTemplate, readJsonTemplate } from './read-json.ts';
import { takeTasks } from './tasks.ts';
import { isWhole, type Note, type Part, type Template, text, texts } from './template.ts';

export interface ImportRequest {
  /** A template, or none, and variable files; the last of those wins. As the user named them. */
  readonly files: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly registry: Registry;
  /** Catalog name; default: what the files speak of. */
  readonly image?: string;
  /** Which of several builders, by name or type; default: the first. */
  readonly builder?: string;
}

export interface Imported {
  /** The image file. */
  readonly yaml: string;
  readonly notes: readonly Note[];
}

/** An image file out of a Packer template and variable files, or variable files alone. Throws what keeps it from being read, all at once. */
export async function importPacker(request: ImportRequest): Promise<Imported> {
  const { registry, cwd, env } = request;
  const root = rootSchema(registry);
  const sources = await Promise.all(request.files.map((label) => readFile(label, cwd)));
  const issues = sources.flatMap(({ document }) => document.problems);
  if (issues.length > 0) throw configError(issues);
  const templates = sources.filter(({ isTemplate }) => isTemplate);
  const [template] = templates;
  if (templates.length > 1) throw problem(templates[1]?.label, 'is a second template; want one');
  const given = variablesOf(sources.filter(({ isTemplate }) => !isTemplate));
  const draft = new Draft(
    root,
    registry.drivers.map(({ name }) => name),
  );
  const read = template?.template({ env, variables: Object.fromEntries(given.map(({ name, value }) => [name, value])) });
  const builder = read === undefined ? undefined : chooseBuilder(read, request.builder);
  const system = request.image ?? guessSystem(hints(builder, read, request.files, given));
  const os = system === undefined ? undefined : osNamed(registry.catalog, system);
  if (os === undefined) {
    const message = system === undefined ? 'names no operating system that is known' : `there is no ${system} in the catalog`;
    throw problem(request.files[0], message, 'kib-native import --image <name>; kib-native list images shows the catalog');
  }
  draft.set('image', os.id, template?.label ?? '');
  if (read !== undefined && template !== undefined) {
    await takeTemplate(draft, read, builder, dirname(resolve(cwd, template.label)));
  }
  const isImageBuilders =
    read === undefined ||
    Object.keys(read.variables).some((name) => name.startsWith('kubernetes_') || name.startsWith('ansible_'));
  if (isImageBuilders) takeVariables(draft, allVariables(read, template?.document, given), root, { family: os.family, env });
  simplify(draft);
  return { yaml: draft.toYaml(request.files.join(', ')), notes: draft.notes };
}

interface Source {
  readonly label: string;
  readonly document: ConfigDocument;
  readonly isTemplate: boolean;
  template(given: Given): Template;
}

async function readFile(label: string, cwd: string): Promise<Source> {
  const read = await readSource(resolve(cwd, label), label);
  if ('problem' in read) throw configError([read.problem]);
  const source = read.text;
  if (/\.hcl$/i.test(label)) {
    try {
      const body = parseHcl(source);
      const isTemplate = body.blocks.length > 0;
      const document = isTemplate ? parseConfig('{}', label) : parseHclVariables(source, label);
      return { label, document, isTemplate, template: (given) => readHclTemplate(source, body, label, given) };
    } catch (error) {
      if (error instanceof HclError) throw problem(placeIn(source, label, error.offset), error.message);
      throw error;
    }
  }
  const document = parseConfig(source, label);
  return { label, document, isTemplate: isJsonTemplate(document.value), template: (given) => readJsonTemplate(document, given) };
}

function variablesOf(sources: readonly Source[]): readonly Variable[] {
  return sources.flatMap(({ document, label }) =>
    Object.entries(isSettings(document.value) ? document.value : {}).map(
      ([name, value]): Variable => ({
        origin: 'packer-file',
        name,
        value,
        source: document.locate([name], 'key'),
        dir: dirname(label),
        dialect: 'packer',
      }),
    ),
  );
}

/** A template's own variables come first: variable files win. */
function allVariables(
  read: Template | undefined,
  document: ConfigDocument | undefined,
  given: readonly Variable[],
): readonly Variable[] {
  const own = Object.entries(read?.variables ?? {})
    .filter(([name]) => !given.some((variable) => variable.name === name))
    // A template declares everything that it passes on.
    .filter(([name, value]) => value !== null && value !== '' && isPackerName(name))
    .map(
      ([name, value]): Variable => ({
        origin: 'packer-file',
        name,
        value,
        source: document?.locate(['variables', name], 'key') ?? read?.label ?? '',
        dir: '.',
        dialect: 'packer',
      }),
    );
  const isBundle = (name: string) => ANSIBLE_BUNDLES.some((bundle) => bundle === name);
  // Those that only the template asks for are put in already.
  const asked = JSON.stringify(document?.value ?? '');
  const others = given.filter(({ name }) => isPackerName(name) || !asked.includes(`user \`${name}\``));
  return [...own, ...others].filter(
    ({ name }) => read === undefined || name === 'ansible_user_vars' || !(isBundle(name) || Object.hasOwn(BUILDER_NAMES, name)),
  );
}

function takeVariables(
  draft: Draft,
  variables: readonly Variable[],
  root: RootSchema,
  { family, env }: Pick<Parameters<typeof assignVariables>[2], 'family' | 'env'>,
): void {
  const guessed = guessDriver(variables);
  if (guessed !== undefined && draft.drivers.includes(guessed)) draft.set('driver.name', guessed, '');
  const driver = text(draft.get('driver.name')) ?? 'qemu';
  const assigned = assignVariables(variables, root, {
    family,
    env,
    driver,
    runtime: draft.get('recipes.crio') === undefined ? 'containerd' : 'crio',
  });
  for (const { path, value, variable } of assigned.list) {
    if (path.at(-1) === 'password') draft.note(variable.source, variable.name, NO_SECRET);
    else draft.set(path.join('.'), value, variable.source);
  }
  for (const { path, source = '', message } of [...assigned.warnings, ...assigned.problems]) draft.note(source, path, message);
  if (assigned.outputDir !== undefined) {
    const source = variables.findLast(({ name }) => name === 'output_directory' || name === 'output_dir')?.source ?? '';
    draft.note(source, 'output_directory', `kib-native build --output-dir ${assigned.outputDir}`);
  }
}

/** One that makes an image from scratch, rather than from one that another builder made before. */
function likely(builders: readonly Part[]): Part | undefined {
  const known = builders.filter(({ type }) => isKnownBuilder(type));
  return known.find(({ type, name }) => !/-vmx$|-clone$/.test(type) && name?.endsWith('-base') !== true) ?? known[0];
}

function chooseBuilder({ builders, label }: Template, wanted: string | undefined): Part {
  const named = builders.find(
    ({ name, type }) => wanted !== undefined && (name === wanted || type === wanted || `${type}.${name}` === wanted),
  );
  const chosen = wanted === undefined ? (likely(builders) ?? builders[0]) : named;
  if (chosen !== undefined) return chosen;
  const names = builders.map(({ type, name }) => (name === undefined ? type : `${type}.${name}`));
  throw problem(label, names.length === 0 ? 'has no builder' : `has no builder ${wanted}; it has ${names.join(', ')}`);
}

async function takeTemplate(draft: Draft, read: Template, builder: Part | undefined, root: string): Promise<void> {
  if (builder !== undefined) takeBuilder(draft, builder);
  for (const other of read.builders.filter((candidate) => candidate !== builder)) {
    const name = other.name ?? other.type;
    draft.note(other.place, `builder ${name}`, `an image of its own: kib-native import --builder ${name}`);
  }
  const isPlumbing = plumbingOf(read);
  for (const part of read.provisioners) {
    if (isPlumbing(part)) continue;
    if (part.type === 'ansible' || part.type === 'ansible-local') await takeAnsible(draft, part, root, read.label);
    else if (!(await takeProvisioner(draft, part, root)))
      draft.note(part.place, `provisioner ${part.type}`, 'has no counterpart; write its steps under provision');
  }
  for (const part of read.postProcessors) {
    if (isPlumbing(part)) continue;
    const note = takePostProcessor(part);
    if (note !== undefined) draft.note(note.place, note.what, note.why);
  }
  for (const { place, what, why } of read.notes) {
    if (!draft.notes.some((note) => note.place === place)) draft.note(place, what, why);
  }
}

/** What image-builder's own templates do around their playbooks, which no recipe needs; steps that were added to them are no such thing. */
function plumbingOf(read: Template): (part: Part) => boolean {
  if (!read.provisioners.some(({ settings }) => isOwnPlaybook(settings))) return () => false;
  return ({ type, settings, name }) => {
    const words = [...texts(settings['inline']), ...texts(settings['script'])].join('\n');
    if (type === 'shell') return OWN_SHELL.test(words);
    if (type === 'shell-local') return OWN_POST.test(name ?? '');
    return type === 'goss';
  };
}

const OWN_SHELL = /^\.?\/?packer\/|is-system-running|REMOVE_NAMESERVER|^sudo reboot( now)?$|"photon"/;
const OWN_POST = /^(custom-post-processor|kubevirt|vsphere|packer-manifest)$/;

function isOwnPlaybook(settings: Part['settings']): boolean {
  return /ansible\/(firstboot|node|python)\.yml$/.test(text(settings['playbook_file']) ?? '');
}

/** Image-builder's own playbooks are what the recipes replace; others are read as far as they are plain. */
async function takeAnsible(draft: Draft, part: Part, root: string, label: string): Promise<void> {
  if (isOwnPlaybook(part.settings)) return;
  takeTasks(draft, await readPlaybook(draft, part, root, label));
  for (const [name, value] of extraVariables(part)) {
    if (!isWhole(value)) continue;
    if (/(kubernetes|k8s)_(semver|version)$/.test(name)) draft.set('kubernetes.version', `v${releaseOf(value)}`, part.place);
    else if (/cni_(semver|version)$/.test(name)) {
      draft.set('recipes.cni.version', releaseOf(value), part.place);
      draft.set('recipes.cni.source', 'upstream', part.place);
    } else draft.note(part.placeOf('extra_arguments'), name, 'is a variable of Ansible roles, which are not run');
  }
}

function hints(
  builder: Part | undefined,
  read: Template | undefined,
  files: readonly string[],
  given: readonly Variable[],
): readonly (string | undefined)[] {
  const values = { ...read?.variables, ...Object.fromEntries(given.map(({ name, value }) => [name, value])) };
  const of = (name: string) => text(values[name]);
  return [
    text(builder?.settings['iso_url']),
    JSON.stringify(builder?.settings['source_ami_filter'] ?? ''),
    [of('distro_name') ?? of('distribution'), of('distro_version') ?? of('distribution_version')].join(' '),
    of('build_name'),
    of('iso_url'),
    of('ami_filter_name'),
    of('os_display_name'),
    of('distribution_release'),
    text(builder?.settings['vm_name']),
    text(builder?.settings['ami_name']),
    text(builder?.settings['template']),
    text(builder?.settings['guest_os_type']),
    builder?.name,
    ...files,
  ];
}

/** `driver: qemu` says what the driver's name alone says. */
function simplify(draft: Draft): void {
  const driver = draft.get('driver');
  if (isSettings(driver) && Object.keys(driver).length === 1) draft.replace('driver', driver['name']);
}

function problem(source: string | undefined, message: string, hint?: string): Error {
  const issue: ConfigIssue = {
    path: '',
    message,
    ...(source === undefined ? {} : { source }),
    ...(hint === undefined ? {} : { hint }),
  };
  return configError([issue]);
}
