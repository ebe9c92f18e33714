import { type Registry, rootSchema } from '../src/config/schema.ts';
import { type Setting, settings } from '../src/config/settings.ts';
import { ERROR_CODES, type ErrorClass, EXIT_STATUS } from '../src/core/index.ts';
import { renderHardening } from './docs-hardening.ts';
import { renderPackerVariables } from './docs-packer.ts';
import { renderSystems } from './docs-systems.ts';
import { code, GENERATED, markdownTable } from './docs-text.ts';

/** The generated pages of docs/, by file name. */
export function renderDocs(registry: Registry): Readonly<Record<string, string>> {
  return {
    'settings.md': renderSettings(registry),
    'systems.md': renderSystems(registry.catalog),
    'errors.md': renderErrors(),
    'hardening.md': renderHardening(),
    'packer-variables.md': renderPackerVariables(),
  };
}

/** One table per group of settings. */
function renderSettings(registry: Registry): string {
  const rows = settings(rootSchema(registry));
  const title = (group: string) => [group, aboutGroup(group, registry)].filter((text) => text !== '').join(': ');
  const groups = [...new Set(rows.map(groupOf))];
  const sections = groups.map((group) => {
    const own = rows.filter((row) => groupOf(row) === group);
    const table = own.map((row) => [
      code(row.path),
      row.type,
      row.default === undefined ? '' : code(row.default),
      row.description,
    ]);
    return `## ${title(group)}\n\n${markdownTable(['Setting', 'Type', 'Default', 'Meaning'], table)}`;
  });
  return `${[
    '# Settings',
    GENERATED,
    [
      'Every setting of an image, by its dotted path: nested like that in an image file, `--var path=value` on the command line,',
      '`KIB_VAR_path` (dots as two underscores) in the environment. [Configuration](configuration.md) says which one wins.',
      '`kib-native inspect <image>` prints this list with the values of an image.',
    ].join('\n'),
    ...sections,
  ].join('\n\n')}\n`;
}

/** `recipes.node` and `export.ova` are groups of their own; settings without members share the first. */
function groupOf({ path }: Setting): string {
  const [first = '', second = ''] = path.split(/\.|\[\]\.?/);
  if (first === 'recipes' || first === 'export') return `${first}.${second}`;
  return ['base', 'driver', 'kubernetes', 'provision'].includes(first) ? first : 'The image';
}

function aboutGroup(group: string, registry: Registry): string {
  const name = group.split('.')[1];
  if (group.startsWith('recipes.')) return registry.recipes.find((recipe) => recipe.name === name)?.summary ?? '';
  if (group.startsWith('export.')) return registry.exporters.find((exporter) => exporter.format === name)?.summary ?? '';
  return '';
}

const WHO_ACTS: Readonly<Record<ErrorClass, string>> = {
  config: 'the author of the image file or command line',
  environment: 'the owner of the host; `kib-native doctor` says the same before a build',
  fetch: 'whoever runs the network, a mirror or a download server',
  driver: 'whoever runs the hypervisor',
  guest: 'whoever made the base image',
  provision: 'the author of the recipe or step',
  verify: 'the author of the recipe or step: the finished image is not what was promised',
  export: 'whoever owns the output folder',
  cleanup: 'the operator: `kib-native gc`',
  cancelled: 'nobody',
};

/** One table per exit status. */
function renderErrors(): string {
  const entries = Object.entries(ERROR_CODES);
  const sections = Object.entries(EXIT_STATUS).map(([group, status]) => {
    const own = entries.filter(([, [kind]]) => kind === group).map(([name, [, meaning]]) => [code(name), meaning]);
    return `## ${status}: ${group}\n\nWho must act: ${WHO_ACTS[group as ErrorClass]}.\n\n${markdownTable(['Code', 'Meaning'], own)}`;
  });
  return `${[
    '# Errors and exit statuses',
    GENERATED,
    [
      'An error is printed as its code and what was wanted and got, then a `hint:` with what to type next. With `--json` it is one line',
      'of JSON on standard error: `{"error":{"code","class","message","hint","details"}}`. The exit status says who must act; 0 is success',
      'and 70 a bug in kib-native.',
    ].join('\n'),
    ...sections,
  ].join('\n\n')}\n`;
}
