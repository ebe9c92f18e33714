import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/config/document.ts';

const problems = (text: string) => parseConfig(text, 'f').problems.map(({ source, message }) => `${source}: ${message}`);

describe('syntax that YAML refuses', () => {
  it.each([
    ['a duplicate key', 'a: 1\na: 2\n', ['f:2:1: map keys must be unique']],
    ['an open list', 'a: [1\nb: 2', ['f:2:1: flow sequence in block collection must be sufficiently indented and end with a ]']],
    ['a tab as indentation', 'a:\n\tb: 1', ['f:2:1: tabs are not allowed as indentation']],
    ['a second document', '---\na: 1\n---\nb: 2', ['f:3:1: starts a second document; want one per file']],
    ['a tag that runs code elsewhere', 'a: !!js/function x', ['f:1:4: unresolved tag: tag:yaml.org,2002:js/function']],
    ['an open quote', 'a: "x', ['f:1:6: missing closing "quote']],
    ['a reserved character', '@a: 1', ['f:1:1: plain value cannot start with reserved character @']],
    ['a map in a line', 'a: b: c', ['f:1:4: nested mappings are not allowed in compact mappings']],
    ['a key that is no text', '? {a: 1}\n: 2', ['f:1:3: with stringKeys, all keys must be strings']],
  ])('%s', (_, text, expected) => {
    expect(problems(text)).toEqual(expected);
  });

  it('reports several faults of one file, but not hundreds', () => {
    expect(problems('a: 1\na: 2\nb: 1\nb: 2')).toHaveLength(2);
    expect(problems(Array.from({ length: 50 }, () => 'a: 1').join('\n'))).toHaveLength(5);
  });

  it('refuses what would exhaust the stack or the memory', () => {
    expect(problems('['.repeat(100_000))).toEqual(['f: is nested too deeply']);
    expect(problems('- '.repeat(10_000))).toEqual(['f: is nested too deeply']);
    const letters = 'abcdefghij';
    const bomb = letters.split('').map((letter, index) => {
      const inner = index === 0 ? 'x' : `*${letters[index - 1]}`;
      return `${letter}: &${letter} [${Array.from({ length: 9 }, () => inner).join(', ')}]`;
    });
    expect(problems(bomb.join('\n'))).toEqual([
      'f: cannot be expanded: Excessive alias count indicates a resource exhaustion attack',
    ]);
  });

  it('says where an alias of nothing is used', () => {
    expect(problems('a: *nope')).toEqual([
      'f: cannot be expanded: Unresolved alias (the anchor must be set before the alias): nope',
    ]);
  });
});

describe('values', () => {
  it('follows anchors and merges', () => {
    const document = parseConfig('a: &x\n  b: 1\nc:\n  <<: *x\n  d: 2\n', 'f');
    expect(document.value).toEqual({ a: { b: 1 }, c: { b: 1, d: 2 } });
    expect(document.locate(['c', 'b'], 'value')).toBe('f:2:6');
  });

  it('reads JSON with tabs, and YAML 1.2 words as they are', () => {
    expect(parseConfig('{\n\t"a": 1\n}', 'f').value).toEqual({ a: 1 });
    expect(parseConfig('a: no\nb: 010\nc: 2001-01-01', 'f').value).toEqual({ a: 'no', b: 10, c: '2001-01-01' });
  });

  it('keeps __proto__ a key like any other', () => {
    const { value } = parseConfig('__proto__: { polluted: true }', 'f');
    expect(Object.keys(value as object)).toEqual(['__proto__']);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});

describe('locations', () => {
  const document = parseConfig('image: debian13\r\nlist:\r\n  - one\r\n  - { name: two }\r\nempty:\r\n', 'f');

  it.each([
    [['image'], 'value', 'f:1:8'],
    [['image'], 'key', 'f:1:1'],
    [['list'], 'value', 'f:2:1'],
    [['list', 0], 'value', 'f:3:5'],
    [['list', 1, 'name'], 'value', 'f:4:13'],
    [['list', 1, 'missing'], 'value', 'f:4:5'],
    [['empty'], 'value', 'f:5:7'],
    [['nowhere', 'at', 'all'], 'value', 'f:1:1'],
  ] as const)('%j %s is %s, with CRLF too', (path, part, expected) => {
    expect(document.locate(path, part)).toBe(expected);
  });
});
