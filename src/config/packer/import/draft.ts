import { Document, isMap, isScalar, visit } from 'yaml';
import { parseSize } from '../../../core/index.ts';
import type { RootSchema } from '../../schema.ts';
import { defaultOf, keysOf, type Schema, schemasAt } from '../../walk.ts';
import { isWhole, type Note, type Place } from './template.ts';

/** An image that is being put together, with what could not be. */
export class Draft {
  readonly #root: RootSchema;
  readonly #settings: Record<string, unknown> = {};
  readonly #notes: Note[] = [];
  readonly #comments = new Map<string, string>();

  /** Names of the drivers there are. */
  readonly drivers: readonly string[];

  constructor(root: RootSchema, drivers: readonly string[]) {
    this.#root = root;
    this.drivers = drivers;
  }

  /** Sets what is not set yet; what this program has no such setting for is noted. Undefined is left out. */
  set(path: string, value: unknown, place: Place): void {
    if (value === undefined) return;
    const keys = path.split('.');
    const schemas = schemasAt(this.#root, keys);
    if (schemas.length === 0) return this.note(place, path, 'this program has no such setting');
    // A driver's default may mean something else to another one.
    if (schemas.every((schema) => isDefault(value, schema))) return;
    if (typeof value === 'string' && !isWhole(value)) return this.note(place, path, `only Packer knows ${value}`);
    put(this.#settings, keys, value);
  }

  /** Names an optional recipe. */
  recipe(name: string, params: Readonly<Record<string, unknown>>, place: Place): void {
    if (schemasAt(this.#root, ['recipes', name]).length === 0) return this.note(place, `recipe ${name}`, 'this program has none');
    if (Object.keys(params).length === 0) put(this.#settings, ['recipes', name], {});
    for (const [key, value] of Object.entries(params)) this.set(`recipes.${name}.${key}`, value, place);
  }

  /** Adds to a list. */
  add(path: string, ...values: readonly unknown[]): void {
    const before = this.get(path);
    const list: readonly unknown[] = Array.isArray(before) ? before : [];
    const seen = new Set(list.map((value) => JSON.stringify(value)));
    const fresh = values.filter((value) => path === 'provision' || !seen.has(JSON.stringify(value)));
    if (fresh.length > 0) put(this.#settings, path.split('.'), [...list, ...fresh], true);
  }

  /** Adds to a map, whose keys may hold dots. */
  entry(path: string, key: string | undefined, value: unknown): void {
    const before = this.get(path);
    if (key !== undefined && value !== undefined) this.replace(path, { ...(isTree(before) ? before : {}), [key]: value });
  }

  replace(path: string, value: unknown): void {
    put(this.#settings, path.split('.'), value, true);
  }

  get(path: string): unknown {
    return path
      .split('.')
      .reduce<unknown>(
        (at, key) => (typeof at === 'object' && at !== null ? (at as Record<string, unknown>)[key] : undefined),
        this.#settings,
      );
  }

  note(place: Place, what: string, why: string): void {
    if (!this.#notes.some((note) => note.place === place && note.what === what)) this.#notes.push({ place, what, why });
  }

  /** Says something of a top-level setting, above it. */
  comment(key: string, text: string): void {
    this.#comments.set(key, text);
  }

  get notes(): readonly Note[] {
    return this.#notes;
  }

  /** The image file, with its notes at the end. */
  toYaml(from: string): string {
    const order = Object.keys(this.#root.shape).filter((key) => Object.hasOwn(this.#settings, key));
    const recipes = keysOf(schemasAt(this.#root, ['recipes']));
    const sorted = {
      ...this.#settings,
      ...(isTree(this.#settings['recipes']) ? { recipes: pick(this.#settings['recipes'], recipes) } : {}),
    };
    const document = new Document(pick(sorted, order));
    document.commentBefore = ` Imported from ${from} by kib-native import; check it with kib-native validate.`;
    visit(document, {
      Pair: (_key, pair, path) => {
        const comment = path.length === 2 && isScalar(pair.key) ? this.#comments.get(String(pair.key.value)) : undefined;
        if (comment !== undefined && isScalar(pair.key)) pair.key.commentBefore = ` ${comment}`;
      },
      Scalar: (_key, node) => {
        if (typeof node.value === 'string' && node.value.includes('\n')) node.type = 'BLOCK_LITERAL';
      },
    });
    if (!isMap(document.contents)) throw new Error('an image is a map');
    const yaml = document.toString({ lineWidth: 0 });
    if (this.#notes.length === 0) return yaml;
    const lines = this.#notes.map(({ place, what, why }) => `#   ${place}: ${oneLine(what)}: ${oneLine(why)}`);
    return `${yaml}\n# Not carried over:\n${lines.join('\n')}\n`;
  }
}

type Tree = Readonly<Record<string, unknown>>;

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function pick(tree: Tree, keys: readonly string[]): Tree {
  return Object.fromEntries(keys.filter((key) => Object.hasOwn(tree, key)).map((key) => [key, tree[key]]));
}

/** What need not be said. The driver's name is said all the same, and what every image is made to. */
function isDefault(value: unknown, schema: Schema): boolean {
  const fallback = defaultOf(schema);
  if (fallback === undefined || typeof value === 'object') return false;
  return fallback === value || (typeof fallback === 'number' && typeof value === 'string' && parseSize(value) === fallback);
}

function put(target: Record<string, unknown>, [key = '', ...rest]: readonly string[], value: unknown, replace = false): void {
  if (rest.length > 0) {
    const inner = target[key];
    const isOpen = typeof inner === 'object' && inner !== null && !Array.isArray(inner);
    const member = isOpen ? (inner as Record<string, unknown>) : {};
    target[key] = member;
    put(member, rest, value, replace);
  } else if (replace || target[key] === undefined) target[key] = value;
}

function oneLine(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim();
  return line.length > 160 ? `${line.slice(0, 159)}…` : line;
}
