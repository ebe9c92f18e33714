import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { hostDownload, hostFile, unreadHostFiles, withHostFiles } from '../../../src/core/index.ts';

const schema = z.strictObject({
  list: hostFile({ text: true }).optional(),
  archives: z.array(z.union([hostFile(), z.strictObject({ url: z.url() })])).default([]),
});

describe('a setting that names host files', () => {
  it('is found wherever it is, and replaced there', () => {
    const parsed = schema.parse({ list: 'images.json', archives: ['a.tar', { url: 'https://example.org/b.tar' }] });
    expect(unreadHostFiles(parsed).map(({ path, file }) => [path, file.name, file.wantsText])).toEqual([
      [['list'], 'images.json', true],
      [['archives', 0], 'a.tar', false],
    ]);
    expect(withHostFiles(parsed, ({ name }) => ({ path: `/host/${name}` }))).toEqual({
      list: { path: '/host/images.json' },
      archives: [{ path: '/host/a.tar' }, { url: 'https://example.org/b.tar' }],
    });
  });

  it('must have a name', () => {
    expect(schema.safeParse({ list: '' }).success).toBe(false);
  });

  it('is text in the JSON schema', () => {
    expect(z.toJSONSchema(schema, { io: 'input' })).toMatchObject({ properties: { list: { type: 'string', minLength: 1 } } });
  });

  it('becomes a pinned download', () => {
    const sha256 = 'a'.repeat(64);
    expect(hostDownload({ path: '/a b/c', sha256 }, 'test: c')).toEqual({ url: 'file:///a%20b/c', sha256, why: 'test: c' });
  });
});
