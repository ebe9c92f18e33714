import { describe, expect, it } from 'vitest';
import { maskUrl, maskUrls } from '../../../src/core/index.ts';

describe('maskUrl', () => {
  it.each([
    ['https://example.org/a/b.img', 'https://example.org/a/b.img'],
    ['https://example.org', 'https://example.org'],
    ['https://me:secret@example.org:8443/a', 'https://***@example.org:8443/a'],
    ['https://token@example.org', 'https://***@example.org/'],
    ['https://example.org/a?X-Signature=secret#secret', 'https://example.org/a?***'],
    ['//me:secret@host', '//***@host'],
  ])('shows %s as %s', (url, shown) => {
    expect(maskUrl(url)).toBe(shown);
  });
});

describe('maskUrls', () => {
  it.each([
    ['no URL, me@example.org', 'no URL, me@example.org'],
    ['see https://example.org/a#part.', 'see https://example.org/a#part.'],
    ['GET http://me:secret@proxy:3128/ failed', 'GET http://***@proxy:3128/ failed'],
    [`curl "https://example.org/?key=secret" -o 'x'`, `curl "https://example.org/?***" -o 'x'`],
    ['(https://a:secret@b/c), HTTPS://d:secret@e/f', '(https://***@b/c), https://***@e/f'],
    ['https://cdn.example.org/@scope/name', 'https://cdn.example.org/@scope/name'],
  ])('shows %j as %j', (text, shown) => {
    expect(maskUrls(text)).toBe(shown);
  });

  it('leaves JSON what it was', () => {
    const value = { url: 'https://me:secret@b/c?d=secret', script: 'a "https://x/?k=secret"\nb' };
    expect(JSON.parse(maskUrls(JSON.stringify(value)))).toEqual({ url: 'https://***@b/c?***', script: 'a "https://x/?***"\nb' });
  });
});
