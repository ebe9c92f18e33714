import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Pair, parseDocument, type YAMLMap } from 'yaml';
import type { Problem } from './problem.ts';
import { fileProblem } from './source-file.ts';

/** Problems shown of one file; a broken line breaks the ones after it too. */
const MAX_SYNTAX_PROBLEMS = 5;

/** The parser is recursive, and exhausting the stack can end the process; no honest file comes near this. */
const MAX_DEPTH = 200;

/** A value as a file spells it, and where each part of it stands. */
export interface ConfigDocument {
  /** The file as the user named it. */
  readonly label: string;
  /** Undefined when the file could not be read; then `problems` says why. */
  readonly value: unknown;
  readonly problems: readonly Problem[];
  /** `node.yaml:3:5`; of the nearest ancestor where the path itself is not there. */
  locate(path: readonly PropertyKey[], part: 'key' | 'value'): string;
}

/** Parses YAML 1.2 (and so JSON), with `<<` merges. Never throws for what a file holds. */
export function parseConfig(text: string, label: string): ConfigDocument {
  const lineCounter = new LineCounter();
  const at = (offset: number) => {
    const { line, col } = lineCounter.linePos(offset);
    return `${label}:${line}:${col}`;
  };
  if (depthOf(text) > MAX_DEPTH) return unusable(label, [fileProblem(label, 'is nested too deeply')]);
  const document = parseDocument(text, { lineCounter, merge: true, prettyErrors: false, stringKeys: true });
  const faults = [...document.errors, ...document.warnings];
  if (faults.length > 0) {
    const problems = faults.slice(0, MAX_SYNTAX_PROBLEMS).map((fault) => ({
      path: '',
      source: at(fault.pos[0]),
      message: fault.code === 'MULTIPLE_DOCS' ? 'starts a second document; want one per file' : sentence(fault.message),
    }));
    return unusable(label, problems);
  }
  try {
    const value: unknown = document.toJS({ maxAliasCount: 100 });
    return { label, value, problems: [], locate: (path, part) => at(offsetOf(document, path, part)) };
  } catch (error) {
    return unusable(label, [fileProblem(label, `cannot be expanded: ${(error as Error).message}`)]);
  }
}

/** A document made in memory: a catalog name, or what a module exported. */
export function plainDocument(label: string, value: unknown): ConfigDocument {
  return { label, value, problems: [], locate: () => label };
}

/** A document nothing can be read from. */
export function unusable(label: string, problems: readonly Problem[]): ConfigDocument {
  return { label, value: undefined, problems, locate: () => label };
}

function offsetOf(document: Document.Parsed, path: readonly PropertyKey[], part: 'key' | 'value'): number {
  let node: unknown = document.contents;
  let key: unknown;
  let isWhole = true;
  for (const segment of path) {
    const target: unknown = isAlias(node) ? node.resolve(document) : node;
    const pair = isMap(target) ? findPair(document, target, String(segment)) : undefined;
    const next = isMap(target) ? pair?.value : isSeq(target) ? target.items[Number(segment)] : undefined;
    if (next === undefined && pair === undefined) {
      isWhole = false;
      break;
    }
    key = isMap(target) ? pair?.key : next;
    node = next;
  }
  const value = startOf(node);
  const isCollection = isMap(node) || isSeq(node);
  return (part === 'value' && isWhole && !isCollection ? (value ?? startOf(key)) : (startOf(key) ?? value)) ?? 0;
}

function findPair(document: Document, map: YAMLMap, key: string): Pair | undefined {
  const own = map.items.find((pair) => isScalar(pair.key) && String(pair.key.value) === key);
  if (own !== undefined) return own;
  for (const pair of map.items) {
    if (!isScalar(pair.key) || String(pair.key.value) !== '<<') continue;
    for (const source of isSeq(pair.value) ? pair.value.items : [pair.value]) {
      const target: unknown = isAlias(source) ? source.resolve(document) : source;
      const found = isMap(target) ? findPair(document, target, key) : undefined;
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

function startOf(node: unknown): number | undefined {
  const range = (node as { range?: readonly number[] | null } | null | undefined)?.range;
  return range?.[0];
}

/** An upper bound of the nesting: open brackets plus the indentation and list dashes of a line. */
function depthOf(text: string): number {
  let open = 0;
  let deepest = 0;
  for (const line of text.split('\n')) {
    const indent = /^[ \t?:-]*/.exec(line)?.[0].length ?? 0;
    for (const letter of line) {
      if (letter === '[' || letter === '{') open++;
      else if (letter === ']' || letter === '}') open = Math.max(0, open - 1);
      deepest = Math.max(deepest, open + indent);
    }
  }
  return deepest;
}

function sentence(message: string): string {
  return message.charAt(0).toLowerCase() + message.slice(1).replace(/\s+/g, ' ');
}
