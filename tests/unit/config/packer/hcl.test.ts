import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseHcl } from '../../../../src/config/packer/hcl.ts';
import { evaluate, HclError, type HclScope } from '../../../../src/config/packer/hcl-value.ts';
import { configuredImage, report } from '../../../support/configured.ts';

const nothing: HclScope = () => undefined;

function valueOf(text: string, scope: HclScope = nothing): unknown {
  return evaluate(parseHcl(`a = ${text}\n`).attributes[0]?.value ?? { kind: 'literal', value: null, offset: 0 }, scope).value;
}

describe('values', () => {
  it.each([
    ['"text"', 'text'],
    ['"tab\\t \\"quoted\\" \\\\ \\u00e9 $${no} %%{no}"', 'tab\t "quoted" \\ é ${no} %{no}'],
    ['-1.5e3', -1500],
    ['true', true],
    ['null', null],
    ['[]', []],
    ['[1, "two", [true],]', [1, 'two', [true]]],
    ['{ a = 1, "b c" : 2\n d = { e = [] }\n}', { a: 1, 'b c': 2, d: { e: [] } }],
    ['<<EOF\n  one\n two\nEOF', '  one\n two\n'],
    ['<<-EOF\n      one\n        two\n\n      three\n    EOF', 'one\n  two\n\nthree\n'],
    ['"a" # why', 'a'],
    ['[ # first\n 1, // one\n /* two */ 2 ]', [1, 2]],
    ['split(".", local.v)[0]', '${split(".", local.v)[0]}'],
    ['var.a ? "x" : "y"', '${var.a ? "x" : "y"}'],
    ['[for x in var.a : x]', '${[for x in var.a : x]}'],
    ['"${upper("a")}-b"', '${upper("a")}-b'],
    ['(1 +\n 2)', '${(1 +\n 2)}'],
  ])('%s', (text, expected) => {
    expect(valueOf(text)).toEqual(expected);
  });

  it('takes names for what they stand for, and one that leads back to itself as it is', () => {
    const { attributes } = parseHcl('one = "1"\ntwo = "${local.one}2"\nthree = local.two\nloop = "${local.loop}!"\n');
    const scope: HclScope = (kind, name) =>
      kind === 'local' ? attributes.find((entry) => entry.name === name)?.value : undefined;
    expect(valueOf('[local.three, "${var.none}", local.loop]', scope)).toEqual(['12', '${var.none}', '${local.loop}!']);
  });
});

it('reads blocks with their labels', () => {
  const body = parseHcl('source "qemu" "a" {\n  cpus = 2\n  inner { x = 1 }\n}\nbuild {}\n');
  expect(body.blocks).toMatchObject([
    { type: 'source', labels: ['qemu', 'a'], body: { attributes: [{ name: 'cpus' }], blocks: [{ type: 'inner' }] } },
    { type: 'build', labels: [] },
  ]);
});

describe('what is wrong', () => {
  it.each([
    ['a = ', 'wants a value here', 4],
    ['a = "x', 'has no closing "', 4],
    ['a = [1', 'has no closing ]', 4],
    ['a {', 'has no closing }', 2],
    ['}', 'a } closes nothing', 0],
    ['a = <<EOF\nx', 'has no line EOF', 4],
    ['a = "\\q"', 'knows no \\q', 5],
    ['/* a', 'has no closing */', 0],
    ['a "${x}" {}', 'a label cannot hold an expression', 2],
  ])('%j', (text, message, offset) => {
    const error = thrown(text);
    expect([error?.message, error?.offset]).toEqual([message, offset]);
  });

  it('never anything but HclError, whatever a text is', () => {
    const letters = fc.constantFrom(...'a="\\${}[]()<<EOF\n,.:#/*%- 1'.split(''), '<<-EOF\n', '\nEOF\n', '${', '"');
    fc.assert(
      fc.property(fc.array(letters, { maxLength: 60 }), (parts) => {
        expect(() => thrown(parts.join(''))).not.toThrow();
      }),
      { numRuns: 2000 },
    );
  });

  it('says so of nesting without end', () => {
    expect(thrown(`a = ${'['.repeat(5000)}`)?.message).toBe('is nested too deeply');
  });
});

function thrown(text: string): HclError | undefined {
  try {
    parseHcl(text);
    return undefined;
  } catch (error) {
    if (error instanceof HclError) return error;
    throw error;
  }
}

it('reads back every literal that can be written', () => {
  const key = fc.string({ unit: fc.constantFrom('a', 'b', 'c', '_', '1'), minLength: 1, maxLength: 4 }).map((name) => `k${name}`);
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.string({ unit: 'grapheme' }),
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(key, tie('value'), { maxKeys: 4 }),
    ),
  }));
  fc.assert(
    fc.property(value, (given) => {
      expect(valueOf(write(given))).toEqual(JSON.parse(JSON.stringify(given)));
    }),
    { numRuns: 500 },
  );
});

function write(value: unknown): string {
  if (typeof value === 'string') {
    const escaped = value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n').replaceAll('\r', '\\r');
    return `"${escaped.replaceAll('${', '$${').replaceAll('%{', '%%{')}"`;
  }
  if (Array.isArray(value)) return `[${value.map(write).join(', ')}]`;
  if (typeof value === 'object' && value !== null) {
    return `{\n${Object.entries(value)
      .map(([key, member]) => `  ${key} = ${write(member)}\n`)
      .join('')}}`;
  }
  return JSON.stringify(value);
}

describe('.pkrvars.hcl', () => {
  it('gives variables as JSON files do', async () => {
    const files = { 'a.pkrvars.hcl': '# release\nkubernetes_semver = "v1.35.4"\ncpus = 4 # enough\n' };
    const { image } = await configuredImage({ targets: ['debian13'], files, varFiles: ['a.pkrvars.hcl'] });
    expect(image.spec).toMatchObject({ cpus: 4, kubernetes: { version: 'v1.35.4' } });
  });

  it.each([
    ['cpus = var.cpus\n', 'a.pkrvars.hcl:1:8: cpus must be a literal, got var.cpus'],
    ['\n  locals {}\n', 'a.pkrvars.hcl:2:3: must hold names and values, got a block locals; kib-native import reads templates'],
    ['cpus = 1\ncpus = 2\n', 'a.pkrvars.hcl:2:1: cpus is there twice'],
    ['cpus = "1\n', 'a.pkrvars.hcl:1:8: has no closing "'],
    [
      'kubernetes_semver = "v1.35.4"\nkubernetes_sourc_type = "pkg"\n',
      'a.pkrvars.hcl:2:1: kubernetes_sourc_type: is no variable of image-builder and no setting (did you mean kubernetes_source_type?)',
    ],
  ])('%j is refused with its place', async (text, expected) => {
    expect(await report({ targets: ['debian13'], files: { 'a.pkrvars.hcl': text }, varFiles: ['a.pkrvars.hcl'] })).toBe(expected);
  });
});
