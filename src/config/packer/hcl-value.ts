/** A value of HCL2 (HCL Native Syntax Specification). What is no literal keeps its text: `formatdate("YYYY", timestamp())`. */
export type HclValue =
  | { readonly kind: 'literal'; readonly value: string | number | boolean | null; readonly offset: number }
  /** Text with expressions in it. */
  | { readonly kind: 'template'; readonly parts: readonly (string | HclValue)[]; readonly offset: number }
  | { readonly kind: 'list'; readonly items: readonly HclValue[]; readonly offset: number }
  | { readonly kind: 'map'; readonly entries: readonly (readonly [key: string, value: HclValue])[]; readonly offset: number }
  /** `var.name` or `local.name`. */
  | { readonly kind: 'reference'; readonly scope: 'var' | 'local'; readonly name: string; readonly offset: number }
  | { readonly kind: 'code'; readonly text: string; readonly offset: number };

export interface HclAttribute {
  readonly name: string;
  readonly value: HclValue;
  readonly offset: number;
}

export interface HclBlock {
  readonly type: string;
  readonly labels: readonly string[];
  readonly body: HclBody;
  readonly offset: number;
}

export interface HclBody {
  readonly attributes: readonly HclAttribute[];
  readonly blocks: readonly HclBlock[];
}

/** What is wrong with a text, and where. */
export class HclError extends Error {
  readonly offset: number;

  constructor(message: string, offset: number) {
    super(message);
    this.name = 'HclError';
    this.offset = offset;
  }
}

/** What `var.` and `local.` names stand for; undefined where it is not known. */
export type HclScope = (scope: 'var' | 'local', name: string) => HclValue | undefined;

export interface Evaluated {
  /** Strings, numbers, lists and so on; what could not be evaluated stays in text as `${…}`. */
  readonly value: unknown;
  /** Expressions that it takes Packer to evaluate. */
  readonly unknown: readonly { readonly text: string; readonly offset: number }[];
}

/** Replaces names by what they stand for. Never throws: what is not known is reported. */
export function evaluate(value: HclValue, scope: HclScope, seen: readonly string[] = []): Evaluated {
  switch (value.kind) {
    case 'literal':
      return { value: value.value, unknown: [] };
    case 'list': {
      const items = value.items.map((item) => evaluate(item, scope, seen));
      return { value: items.map((item) => item.value), unknown: items.flatMap((item) => item.unknown) };
    }
    case 'map': {
      const entries = value.entries.map(([key, member]) => [key, evaluate(member, scope, seen)] as const);
      return {
        value: Object.fromEntries(entries.map(([key, member]) => [key, member.value])),
        unknown: entries.flatMap(([, member]) => member.unknown),
      };
    }
    case 'template': {
      const parts = value.parts.map((part) =>
        typeof part === 'string' ? { value: part, unknown: [] } : evaluate(part, scope, seen),
      );
      return { value: parts.map((part) => String(part.value)).join(''), unknown: parts.flatMap((part) => part.unknown) };
    }
    case 'reference': {
      const name = `${value.scope}.${value.name}`;
      const meant = seen.includes(name) ? undefined : scope(value.scope, value.name);
      if (meant === undefined) return { value: `\${${name}}`, unknown: [{ text: name, offset: value.offset }] };
      const inner = evaluate(meant, scope, [...seen, name]);
      return { value: inner.value, unknown: inner.unknown.map(({ text }) => ({ text, offset: value.offset })) };
    }
    case 'code':
      return { value: `\${${value.text}}`, unknown: [{ text: value.text, offset: value.offset }] };
  }
}
