/** A parameter of the EC2 query protocol: text, or what `Filter.1.Name=…` comes to. Lists count from 1 there, from 0 here. */
export type Param = string | Param[] | { [name: string]: Param };
export type Params = { [name: string]: Param };

/** Parses `Filter.1.Name=tag%3Aa&Filter.1.Value.1=b` into `{ Filter: [{ Name: 'tag:a', Value: ['b'] }] }`. */
export function parseQuery(body: string): Params {
  const root: Params = {};
  for (const [key, value] of new URLSearchParams(body)) {
    const path = key.split('.');
    let at: Record<string, unknown> = root;
    for (const part of path.slice(0, -1)) at = (at[part] ??= {}) as Record<string, unknown>;
    at[path.at(-1) ?? ''] = value;
  }
  return listed(root) as Params;
}

function listed(value: unknown): Param {
  if (typeof value !== 'object' || value === null) return String(value);
  const entries = Object.entries(value);
  if (entries.length > 0 && entries.every(([key]) => /^\d+$/.test(key))) {
    return entries.sort(([a], [b]) => Number(a) - Number(b)).map(([, item]) => listed(item));
  }
  return Object.fromEntries(entries.map(([key, item]) => [key, listed(item)]));
}

export function text(params: Params | Param | undefined, name: string): string | undefined {
  const value = (params as Params | undefined)?.[name];
  return typeof value === 'string' ? value : undefined;
}

export function list(params: Params | Param | undefined, name: string): readonly Param[] {
  const value = (params as Params | undefined)?.[name];
  return Array.isArray(value) ? value : [];
}

export function texts(params: Params | Param | undefined, name: string): readonly string[] {
  return list(params, name).map(String);
}

/** An answer's members by their wire names; lists become `<item>` elements, undefined members are left out. */
export type Answer = { readonly [name: string]: AnswerValue };
export type AnswerValue = string | number | boolean | undefined | Answer | readonly AnswerValue[];

export function xmlOf(action: string, answer: Answer, requestId: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>
<${action}Response xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>${requestId}</requestId>${members(answer)}</${action}Response>`;
}

export function xmlError(code: string, message: string, requestId: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>
<Response><Errors><Error><Code>${code}</Code><Message>${escaped(message)}</Message></Error></Errors><RequestID>${requestId}</RequestID></Response>`;
}

function members(answer: Answer): string {
  return Object.entries(answer)
    .map(([name, value]) => (value === undefined ? '' : `<${name}>${content(value)}</${name}>`))
    .join('');
}

function content(value: AnswerValue): string {
  if (Array.isArray(value)) return (value as readonly AnswerValue[]).map((item) => `<item>${content(item)}</item>`).join('');
  if (typeof value === 'object') return members(value as Answer);
  return escaped(String(value));
}

function escaped(value: string): string {
  return value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
