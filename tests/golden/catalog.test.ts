import { describe, it } from 'vitest';
import { catalog } from '../../src/catalog/index.ts';
import { expectGolden } from '../support/golden.ts';

describe('catalog', () => {
  it.each(catalog.map((os) => [os.id, os] as const))('%s', (id, os) => {
    // The armoured key is as good as named by its fingerprint (unit test), and the rest is what a reviewer must see.
    const text = JSON.stringify(os, (name, value: unknown) => (name === 'armored' ? '…' : value), 2);
    expectGolden(`fixtures/catalog/${id}.json`, `${text}\n`);
  });
});
