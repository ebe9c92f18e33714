import { describe, expect, it } from 'vitest';
import { fileNameOf, maskUrl } from '../../../src/io/url.ts';

describe('maskUrl', () => {
  it.each([
    ['https://example.org/a/b.img', 'https://example.org/a/b.img'],
    ['https://me:secret@example.org:8443/a', 'https://***@example.org:8443/a'],
    ['https://example.org/a?X-Signature=secret#secret', 'https://example.org/a?***'],
    ['//me:secret@host', '//***@host'],
  ])('shows %s as %s', (url, shown) => {
    expect(maskUrl(url)).toBe(shown);
  });
});

describe('fileNameOf', () => {
  it.each([
    ['https://example.org/a/SHA256SUMS', 'SHA256SUMS'],
    ['https://example.org/a%20b.img?x=1', 'a b.img'],
    ['https://example.org/bad%ZZ', 'bad%ZZ'],
    ['https://example.org/', 'example.org'],
    ['file:///srv/kubelet', 'kubelet'],
  ])('of %s is %s', (url, name) => {
    expect(fileNameOf(url)).toBe(name);
  });
});
