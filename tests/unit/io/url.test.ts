import { describe, expect, it } from 'vitest';
import { fileNameOf } from '../../../src/io/url.ts';

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
