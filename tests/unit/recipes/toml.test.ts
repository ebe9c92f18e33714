import { describe, expect, it } from 'vitest';
import { mergeToml, tableOf, toml, tomlSchema } from '../../../recipes/toml.ts';

describe('toml', () => {
  it('writes values before tables, and tables by their full name', () => {
    expect(
      toml({
        server: { 'https://a.example:5000': { capabilities: ['pull', 'resolve'], skip: true } },
        version: 3,
        text: 'a "quoted"\n\\path\u007f',
        empty: {},
        list: [{ a: 1 }, { b: [2] }],
      }),
    ).toBe(
      `version = 3
text = "a \\"quoted\\"\\n\\\\path\\u007f"
list = [{ a = 1 }, { b = [2] }]

[server."https://a.example:5000"]
  capabilities = ["pull", "resolve"]
  skip = true

[empty]
`,
    );
  });

  it('lays a table over another one, deeply, and replaces everything else', () => {
    const under = { a: { b: 1, c: { d: [1, 2] } }, e: 'x' };
    expect(mergeToml(under, { a: { c: { d: [3], f: true } }, e: { g: 1 } })).toEqual({
      a: { b: 1, c: { d: [3], f: true } },
      e: { g: 1 },
    });
    expect(under.a.c.d).toEqual([1, 2]);
  });

  it('refuses null, and says where', () => {
    const wrong = { a: { b: [1, null] }, c: Number.NaN };
    expect(tomlSchema.safeParse(wrong).error?.issues[0]?.message).toContain('a.b.1, c');
    expect(() => tableOf(wrong)).toThrow('a.b.1');
    expect(tomlSchema.parse({ a: { b: [1] } })).toEqual({ a: { b: [1] } });
  });
});
