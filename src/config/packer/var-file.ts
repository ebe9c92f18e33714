import { type ConfigDocument, plainDocument, unusable } from '../document.ts';
import { parseHcl } from './hcl.ts';
import { evaluate, type HclBody, HclError } from './hcl-value.ts';

/** `file:line:column` of a place in a text. */
export function placeIn(text: string, label: string, offset: number): string {
  const before = text.slice(0, offset).split('\n');
  return `${label}:${before.length}:${(before.at(-1)?.length ?? 0) + 1}`;
}

/** Reads a .pkrvars.hcl file: names and literal values. Never throws for what a file holds. */
export function parseHclVariables(text: string, label: string): ConfigDocument {
  const at = (offset: number) => placeIn(text, label, offset);
  const refuse = (offset: number, message: string) => unusable(label, [{ path: '', source: at(offset), message }]);
  let body: HclBody;
  try {
    body = parseHcl(text);
  } catch (error) {
    if (error instanceof HclError) return refuse(error.offset, error.message);
    throw error;
  }
  const [block] = body.blocks;
  if (block !== undefined)
    return refuse(block.offset, `must hold names and values, got a block ${block.type}; kib-native import reads templates`);
  const offsets = new Map(body.attributes.map(({ name, offset }) => [name, offset]));
  const twice = body.attributes.find(({ name }, index, all) => all.findIndex((other) => other.name === name) < index);
  if (twice !== undefined) return refuse(twice.offset, `${twice.name} is there twice`);
  const values: [string, unknown][] = [];
  for (const { name, value } of body.attributes) {
    const evaluated = evaluate(value, () => undefined);
    const [unknown] = evaluated.unknown;
    if (unknown !== undefined) return refuse(unknown.offset, `${name} must be a literal, got ${unknown.text}`);
    values.push([name, evaluated.value]);
  }
  return {
    ...plainDocument(label, Object.fromEntries(values)),
    locate: (path) => (path.length === 0 ? label : at(offsets.get(String(path[0])) ?? 0)),
  };
}
