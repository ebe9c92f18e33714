import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv, type ValidateFunction } from 'ajv';

/** VMware's published descriptions that answer for what the driver calls: 7.0.3 has vcenter whole, 8.0.2 the newest of the rest. */
const FILES = ['7.0.3/vcenter.json', '8.0.2/content.json', '8.0.2/session.json', '8.0.2/cis.json'];

type Json = Record<string, unknown>;

/** One request with its answer. */
export interface Exchange {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: unknown;
  readonly status: number;
  readonly answer: unknown;
}

/** Says what is wrong with an exchange; empty when nothing is. */
export type OpenApi = (exchange: Exchange) => readonly string[];

/**
 * The validator, or why there is none. The descriptions are VMware's and no part of this project: KIB_VSPHERE_OPENAPI names a folder that has
 * them, laid out as in content_generation/api_specs of ansible-collections/vmware.vmware_rest on GitHub.
 */
export function openApi(): OpenApi | string {
  const folder = process.env['KIB_VSPHERE_OPENAPI'];
  const missing = folder === undefined ? FILES : FILES.filter((file) => !existsSync(join(folder, file)));
  if (folder === undefined || missing.length > 0)
    return `no OpenAPI descriptions of vSphere: set KIB_VSPHERE_OPENAPI to a folder with ${missing.join(', ')}`;
  return validator(FILES.map((file) => JSON.parse(readFileSync(join(folder, file), 'utf8')) as Json));
}

interface Operation {
  readonly parts: readonly string[];
  /** `action=clone`, or a bare name that must be given. */
  readonly wanted: readonly (readonly [string, string | undefined])[];
  readonly parameters: readonly Json[];
  readonly body: () => ValidateFunction | undefined;
  readonly isBodyRequired: boolean;
  readonly answers: () => ReadonlyMap<string, ValidateFunction | undefined>;
}

function validator(documents: readonly Json[]): OpenApi {
  const ajv = new Ajv({ strict: false, validateFormats: false, allErrors: true });
  const operations = new Map<string, Operation[]>();
  for (const [index, document] of documents.entries()) {
    const id = `doc${index}`;
    ajv.addSchema({ $id: id, definitions: closed(document['definitions']) as Json });
    const compile = (schema: unknown) => (schema === undefined ? undefined : ajv.compile(absolute(closed(schema), id) as Json));
    for (const [key, methods] of Object.entries(document['paths'] as Record<string, Record<string, Json>>)) {
      if (!key.startsWith('/api/')) continue;
      const [path = '', query = ''] = key.split('?');
      for (const [method, operation] of Object.entries(methods)) {
        if (operation['responses'] === undefined) continue;
        const parameters = (operation['parameters'] ?? []) as Json[];
        const body = parameters.find((parameter) => parameter['in'] === 'body');
        const responses = Object.entries(operation['responses'] as Record<string, Json>);
        const list = operations.get(method.toUpperCase()) ?? [];
        operations.set(method.toUpperCase(), list);
        list.push({
          parts: path.split('/'),
          wanted: query === '' ? [] : query.split('&').map((pair) => pair.split('=') as [string, string | undefined]),
          parameters: parameters.filter((parameter) => parameter['in'] === 'query'),
          body: lazy(() => compile(body?.['schema'])),
          isBodyRequired: body?.['required'] === true,
          answers: lazy(() => new Map(responses.map(([status, response]) => [status, compile(response['schema'])]))),
        });
      }
    }
  }
  return (exchange) => {
    const operation = find(operations.get(exchange.method) ?? [], exchange);
    if (operation === undefined) return ['there is no such operation'];
    const names = new Set([
      ...operation.parameters.map((parameter) => parameter['name']),
      ...operation.wanted.map(([name]) => name),
      'vmw-task',
    ]);
    const unknown = [...exchange.query.keys()].filter((name) => !names.has(name)).map((name) => `no query parameter ${name}`);
    const missing = operation.parameters
      .filter((parameter) => parameter['required'] === true && !exchange.query.has(String(parameter['name'])))
      .map((parameter) => `query parameter ${String(parameter['name'])} is missing`);
    const noBody = exchange.body === undefined && operation.isBodyRequired ? ['the body is missing'] : [];
    const answers = operation.answers();
    const status = String(exchange.status);
    const noStatus = answers.has(status) ? [] : [`no answer has status ${status}`];
    return [
      ...unknown,
      ...missing,
      ...noBody,
      ...noStatus,
      ...problems('request', exchange.body, operation.body()),
      ...problems('answer', exchange.answer, answers.get(status)),
    ];
  };
}

function find(operations: readonly Operation[], { path, query }: Exchange): Operation | undefined {
  const parts = path.split('/');
  return operations
    .filter((operation) => operation.parts.length === parts.length)
    .filter((operation) => operation.parts.every((part, index) => part === parts[index] || part.startsWith('{')))
    .filter(({ wanted }) => wanted.every(([name, value]) => (value === undefined ? query.has(name) : query.get(name) === value)))
    .filter(({ wanted }) => ['action', 'vmw-task'].every((name) => !query.has(name) || wanted.some(([other]) => other === name)))
    .sort((a, b) => literal(b) - literal(a) || b.wanted.length - a.wanted.length)[0];
}

function literal({ parts }: Operation): number {
  return parts.filter((part) => !part.startsWith('{')).length;
}

function problems(what: string, value: unknown, validate: ValidateFunction | undefined): readonly string[] {
  if (value === undefined || validate === undefined || validate(value)) return [];
  return (validate.errors ?? []).map(
    ({ instancePath, message, params }) => `${what}${instancePath} ${message} ${JSON.stringify(params)}`,
  );
}

/** The descriptions leave every structure open, so that a misspelled optional field would pass. */
function closed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(closed);
  if (typeof value !== 'object' || value === null) return value;
  const copy = Object.fromEntries(Object.entries(value).map(([key, member]) => [key, closed(member)]));
  // What the API calls opaque or dynamic is described as an object, but may be any value.
  if (copy['type'] === 'object' && copy['properties'] === undefined && copy['additionalProperties'] === undefined) return {};
  const isStructure =
    typeof copy['properties'] === 'object' && copy['type'] === 'object' && copy['additionalProperties'] === undefined;
  return isStructure ? { ...copy, additionalProperties: false } : copy;
}

function absolute(value: unknown, id: string): unknown {
  if (Array.isArray(value)) return value.map((member) => absolute(member, id));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [key, key === '$ref' ? `${id}${String(member)}` : absolute(member, id)]),
  );
}

/** Thousands of operations are described, a few dozen are asked for. */
function lazy<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}
