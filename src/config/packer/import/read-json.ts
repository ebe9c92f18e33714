import type { ConfigDocument } from '../../document.ts';
import { plain } from '../ansible-vars.ts';
import { expandTemplate } from '../expand.ts';
import { type Part, record, type Template, text } from './template.ts';

/** What a reader of templates is given besides the file. */
export interface Given {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Of variable files and the command line; they win over the template's own. */
  readonly variables: Readonly<Record<string, unknown>>;
}

/** A JSON document that is a template: it has builders. */
export function isJsonTemplate(value: unknown): boolean {
  return Array.isArray(record(value)['builders']);
}

/** Reads a JSON template of Packer (developer.hashicorp.com/packer/docs/templates/legacy_json_templates). */
export function readJsonTemplate(document: ConfigDocument, given: Given): Template {
  const root = record(document.value);
  const variables: Readonly<Record<string, unknown>> = { ...record(root['variables']), ...given.variables };
  const user = (name: string) => (Object.hasOwn(variables, name) ? plain(variables[name]) : undefined);
  const expand = (value: unknown): unknown => {
    if (typeof value === 'string') return expandTemplate(value, user, given.env) ?? value;
    if (Array.isArray(value)) return value.map(expand);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, expand(member)]));
  };
  const parts = (key: string, value: unknown): readonly Part[] =>
    (Array.isArray(value) ? value : []).flatMap((entry: unknown, index): readonly Part[] => {
      // Post-processors may be names alone, or chains.
      if (typeof entry === 'string') return [{ type: entry, name: undefined, settings: {}, ...places(document, [key, index]) }];
      if (Array.isArray(entry)) {
        return entry.flatMap((inner: unknown, at) =>
          typeof inner === 'string'
            ? [{ type: inner, name: undefined, settings: {}, ...places(document, [key, index, at]) }]
            : [part(record(inner), [key, index, at])],
        );
      }
      return [part(record(entry), [key, index])];
    });
  const part = (settings: Readonly<Record<string, unknown>>, path: readonly PropertyKey[]): Part => ({
    type: text(settings['type']) ?? '',
    name: text(settings['name']),
    settings: record(expand(settings)),
    ...places(document, path),
  });
  return {
    label: document.label,
    builders: parts('builders', root['builders']),
    provisioners: parts('provisioners', root['provisioners']),
    postProcessors: parts('post-processors', root['post-processors']),
    variables: Object.fromEntries(Object.entries(variables).map(([name, value]) => [name, expand(value)])),
    notes: [],
  };
}

function places(document: ConfigDocument, path: readonly PropertyKey[]): Pick<Part, 'place' | 'placeOf'> {
  return {
    place: document.locate([...path, 'type'], 'key'),
    placeOf: (setting) => document.locate([...path, setting], 'key'),
  };
}
