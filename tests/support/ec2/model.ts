import { XMLParser } from 'fast-xml-parser';
import type { Recorded } from './fake.ts';
import { type Param, text } from './wire.ts';

interface Member {
  readonly shape: string;
  readonly locationName?: string;
  readonly queryName?: string;
}

interface Shape {
  readonly type: string;
  readonly members?: Readonly<Record<string, Member>>;
  readonly member?: Member;
  readonly required?: readonly string[];
  readonly enum?: readonly string[];
  readonly pattern?: string;
}

export interface ServiceModel {
  readonly operations: Readonly<Record<string, { readonly input?: Member; readonly output?: Member }>>;
  readonly shapes: Readonly<Record<string, Shape>>;
}

const xml = new XMLParser({ parseTagValue: false, ignoreAttributes: true, isArray: (name) => name === 'item' });

/** What of a call over the wire is not as botocore describes it, as `RunInstances.NetworkInterface.0.Foo is unknown`. */
export function modelProblems(model: ServiceModel, call: Recorded): readonly string[] {
  const operation = model.operations[call.action];
  if (operation === undefined) return [`${call.action} is no operation`];
  const { Action: _action, Version, ...params } = call.params;
  const problems = Version === '2016-11-15' ? [] : [`${call.action} has version ${text(call.params, 'Version')}`];
  if (operation.input !== undefined) problems.push(...inputProblems(model, operation.input, params, call.action));
  if (call.status === 200 && operation.output !== undefined) {
    const answer = (xml.parse(call.answer) as Record<string, unknown>)[`${call.action}Response`] as Record<string, unknown>;
    const { requestId, ...rest } = answer;
    if (typeof requestId !== 'string') problems.push(`${call.action} has no requestId`);
    problems.push(...outputProblems(model, operation.output, rest, `${call.action} answer`));
  }
  return problems;
}

function inputProblems(model: ServiceModel, { shape: name }: Member, value: Param, path: string): readonly string[] {
  const shape = model.shapes[name];
  if (shape === undefined) return [`${path}: no shape ${name}`];
  if (shape.type === 'structure') {
    if (typeof value !== 'object' || Array.isArray(value)) return [`${path} is no structure`];
    const byName = new Map(Object.entries(shape.members ?? {}).map(([key, member]) => [queryName(key, member), { key, member }]));
    const missing = (shape.required ?? []).filter((key) => {
      const member = shape.members?.[key];
      return member === undefined || value[queryName(key, member)] === undefined;
    });
    return [
      ...missing.map((key) => `${path} lacks ${key}`),
      ...Object.entries(value).flatMap(([key, inner]) => {
        const found = byName.get(key);
        return found === undefined ? [`${path}.${key} is unknown`] : inputProblems(model, found.member, inner, `${path}.${key}`);
      }),
    ];
  }
  if (shape.type === 'list') {
    if (!Array.isArray(value) || shape.member === undefined) return [`${path} is no list`];
    const { member } = shape;
    return value.flatMap((item, index) => inputProblems(model, member, item, `${path}.${index}`));
  }
  return typeof value === 'string' ? scalarProblems(shape, value, path) : [`${path} is no ${shape.type}`];
}

/** The ec2 protocol: queryName, else locationName with a capital, else the member's own name. */
function queryName(key: string, { queryName: given, locationName }: Member): string {
  if (given !== undefined) return given;
  return locationName === undefined ? key : locationName.charAt(0).toUpperCase() + locationName.slice(1);
}

function outputProblems(model: ServiceModel, { shape: name }: Member, value: unknown, path: string): readonly string[] {
  const shape = model.shapes[name];
  if (shape === undefined) return [`${path}: no shape ${name}`];
  if (shape.type === 'structure') {
    if (value === '' || value === undefined) return [];
    if (typeof value !== 'object' || value === null) return [`${path} is no structure`];
    const byName = new Map(Object.entries(shape.members ?? {}).map(([key, member]) => [member.locationName ?? key, member]));
    // Calls that only succeed say so in an element that the model leaves out for those without output.
    return Object.entries(value).flatMap(([key, inner]) => {
      const member = byName.get(key);
      return member === undefined ? [`${path}.${key} is unknown`] : outputProblems(model, member, inner, `${path}.${key}`);
    });
  }
  if (shape.type === 'list') {
    if (value === '') return [];
    const items = (value as { readonly item?: readonly unknown[] }).item;
    if (!Array.isArray(items) || shape.member === undefined) return [`${path} is no list`];
    const { member } = shape;
    return items.flatMap((item, index) => outputProblems(model, member, item, `${path}.${index}`));
  }
  return typeof value === 'string' ? scalarProblems(shape, value, path) : [`${path} is no ${shape.type}`];
}

function scalarProblems(shape: Shape, value: string, path: string): readonly string[] {
  const isRight =
    shape.enum === undefined
      ? { integer: /^-?\d+$/, long: /^-?\d+$/, boolean: /^(true|false)$/, timestamp: /^\d{4}-\d{2}-\d{2}T[\d:.]+Z$/ }[
          shape.type
        ]?.test(value)
      : shape.enum.includes(value);
  return isRight === false
    ? [`${path} is ${value}, no ${shape.enum === undefined ? shape.type : shape.enum.slice(0, 8).join('|')}`]
    : [];
}
