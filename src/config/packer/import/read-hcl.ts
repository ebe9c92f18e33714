import { evaluate, type HclBlock, type HclBody, type HclScope, type HclValue } from '../hcl-value.ts';
import { placeIn } from '../var-file.ts';
import type { Given } from './read-json.ts';
import type { Note, Part, Template } from './template.ts';

/** Reads a template in HCL2: source and build blocks with what variables and locals say. Functions stay as they are written. */
export function readHclTemplate(source: string, body: HclBody, label: string, given: Given): Template {
  const at = (offset: number) => placeIn(source, label, offset);
  const notes: Note[] = [];
  const locals = new Map(
    body.blocks
      .filter(({ type }) => type === 'locals')
      .flatMap((block) => block.body.attributes.map(({ name, value }) => [name, value] as const)),
  );
  for (const { body: local, labels } of body.blocks.filter(({ type }) => type === 'local')) {
    const value = local.attributes.find(({ name }) => name === 'expression')?.value;
    if (value !== undefined && labels[0] !== undefined) locals.set(labels[0], value);
  }
  const defaults = new Map(
    body.blocks
      .filter(({ type }) => type === 'variable')
      .map((block) => [block.labels[0] ?? '', block.body.attributes.find(({ name }) => name === 'default')?.value] as const),
  );
  const scope: HclScope = (kind, name) => {
    if (kind === 'local') return locals.get(name);
    return Object.hasOwn(given.variables, name) ? literal(given.variables[name]) : defaults.get(name);
  };
  const settingsOf = (block: HclBlock, why: string): Readonly<Record<string, unknown>> => {
    const nested = new Map<string, unknown[]>();
    for (const inner of block.body.blocks) {
      nested.set(inner.type, [...(nested.get(inner.type) ?? []), settingsOf(inner, why)]);
    }
    const attributes = block.body.attributes.map(({ name, value, offset }) => {
      const { value: evaluated, unknown } = evaluate(value, scope);
      for (const { text } of unknown)
        notes.push({ place: at(offset), what: `${why} ${name}`, why: `it takes Packer to evaluate ${text}` });
      return [name, evaluated] as const;
    });
    return { ...Object.fromEntries(nested), ...Object.fromEntries(attributes) };
  };
  const part = (block: HclBlock, type: string, name: string | undefined): Part => {
    const offsets = new Map(block.body.attributes.map((entry) => [entry.name, entry.offset] as const));
    return {
      type,
      name,
      settings: settingsOf(block, `${block.type} ${type}`),
      place: at(block.offset),
      placeOf: (setting) => at(offsets.get(setting) ?? block.offset),
    };
  };
  const builds = body.blocks.filter(({ type }) => type === 'build');
  const used = new Set(builds.flatMap((build) => sourcesOf(build)));
  const sources = body.blocks.filter(({ type, labels }) => type === 'source' && (used.size === 0 || used.has(labels.join('.'))));
  const inBuilds = (type: string) =>
    builds.flatMap((build) =>
      build.body.blocks.flatMap((block) => {
        if (block.type === type) return [part(block, block.labels[0] ?? '', undefined)];
        // post-processors { post-processor "x" {} }
        return block.type === `${type}s` ? block.body.blocks.map((inner) => part(inner, inner.labels[0] ?? '', undefined)) : [];
      }),
    );
  for (const { type, labels, offset } of body.blocks.filter(({ type }) => type === 'data')) {
    notes.push({ place: at(offset), what: `${type} ${labels.join('.')}`, why: 'data sources are not asked' });
  }
  for (const build of builds) {
    for (const { offset } of build.body.blocks.filter(({ type }) => type === 'dynamic')) {
      notes.push({ place: at(offset), what: 'dynamic', why: 'blocks that are made by an expression are not evaluated' });
    }
  }
  const variables = [...defaults].map(([name, value]) => {
    const known = Object.hasOwn(given.variables, name)
      ? given.variables[name]
      : value === undefined
        ? undefined
        : evaluate(value, scope).value;
    return [name, known] as const;
  });
  return {
    label,
    builders: sources.map((block) => part(block, block.labels[0] ?? '', block.labels[1])),
    provisioners: inBuilds('provisioner'),
    postProcessors: inBuilds('post-processor'),
    variables: { ...Object.fromEntries(variables), ...given.variables },
    notes,
  };
}

/** `source.qemu.rocky` and nested source blocks, as `qemu.rocky`. */
function sourcesOf({ body }: HclBlock): readonly string[] {
  const value = body.attributes.find(({ name }) => name === 'sources')?.value;
  const names =
    value?.kind === 'list'
      ? value.items.map((item) => (item.kind === 'code' ? item.text : item.kind === 'literal' ? String(item.value) : ''))
      : [];
  const nested = body.blocks.filter(({ type }) => type === 'source').map(({ labels }) => labels[0] ?? '');
  return [...names, ...nested].map((name) => name.replace(/^source\./, ''));
}

function literal(value: unknown): HclValue {
  if (Array.isArray(value)) return { kind: 'list', items: value.map(literal), offset: 0 };
  if (typeof value === 'object' && value !== null) {
    return { kind: 'map', entries: Object.entries(value).map(([key, member]) => [key, literal(member)] as const), offset: 0 };
  }
  return { kind: 'literal', value: value as string | number | boolean | null, offset: 0 };
}
