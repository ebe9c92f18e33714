import { describe, expect, it } from 'vitest';
import { PackageGraph } from '../../../../src/engine/package-cache/lists/package-graph.ts';
import { StanzaSplitter } from '../../../../src/engine/package-cache/lists/stanzas.ts';

/** Stanzas as they come when the bytes come in pieces of this size. */
function split(text: string, size: number): readonly string[] {
  const found: string[] = [];
  const splitter = new StanzaSplitter((stanza) => found.push(stanza.toString()));
  const bytes = Buffer.from(text);
  for (let start = 0; start < bytes.length; start += size) splitter.push(bytes.subarray(start, start + size));
  splitter.end();
  return found;
}

function selected(text: string, ...names: string[]): readonly string[] {
  const graph = new PackageGraph();
  const stanzas = split(text, 1000);
  for (const stanza of stanzas) graph.add(Buffer.from(stanza));
  const flags = graph.select(names);
  return stanzas.filter((_, index) => flags[index] === 1).map((stanza) => /Package: (\S+)/i.exec(stanza)?.[1] ?? '');
}

describe('stanzas of a package list', () => {
  it('are the same whatever pieces their bytes come in', () => {
    const text = '\nPackage: a\nDepends: b\n\n\nPackage: b\n\nPackage: c';
    for (const size of [1, 2, 3, 7, 100])
      expect(split(text, size)).toEqual(['Package: a\nDepends: b\n', 'Package: b\n', 'Package: c']);
    expect(split('', 1)).toEqual([]);
  });
});

describe('packages that a package can need', () => {
  it('are those it depends on, with all alternatives, versions and who provides them, and so on', () => {
    const text = [
      'Package: wanted\nDepends: one (>= 1:2.0~rc) | two:any, virtual\nPre-Depends: three [amd64]',
      'Package: one',
      'Package: one\nVersion: 2\nDepends: four',
      'Package: two',
      'Package: three',
      'Package: four\nRecommends: recommended\nSuggests: recommended\nConflicts: recommended',
      'Package: recommended',
      'Provides: other, virtual (= 3)\npackage: provider\ndepends:\n five,\n\tsix',
      'Package: five',
      'Package: six',
      'Package: unrelated\nDepends: wanted',
      'Package: onerous\nDescription: Depends: unrelated',
    ].join('\n\n');
    expect(selected(text, 'wanted')).toEqual(['wanted', 'one', 'one', 'two', 'three', 'four', 'provider', 'five', 'six']);
    expect(selected(text, 'virtual')).toEqual(['provider', 'five', 'six']);
    expect(selected(text)).toEqual([]);
  });

  it('are also those that every machine has', () => {
    const text =
      'Package: a\n\nPackage: b\nEssential: yes\nDepends: c\n\nPackage: c\n\nPackage: d\nEssential: no\n\nPackage: e\nImportant: yes\n';
    expect(selected(text)).toEqual(['b', 'c', 'e']);
  });

  it('end although they need each other, and are many', () => {
    const count = 30_000;
    const text = Array.from({ length: count }, (_, index) => `Package: p${index}\nDepends: p${(index * 7 + 1) % count}\n`).join(
      '\n',
    );
    expect(selected(text, 'p0').length).toBeGreaterThan(1);
    const graph = new PackageGraph();
    for (const stanza of split(text, 65_536)) graph.add(Buffer.from(stanza));
    expect([graph.size, graph.missing(['p1', 'p29999', 'p30000'])]).toEqual([count, ['p30000']]);
  });
});
