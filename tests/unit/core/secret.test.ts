import { inspect } from 'node:util';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { redactor, Secret } from '../../../src/core/index.ts';

describe('Secret', () => {
  const secret = new Secret('registry password', 'hunter22');

  it.each([
    ['String', String(secret)],
    ['joining', ['x', secret].join('')],
    ['JSON', JSON.stringify({ secret })],
    ['inspect', inspect({ secret }, { depth: 9, showHidden: true })],
    ['its members', JSON.stringify(Object.entries(secret))],
  ])('does not come out through %s', (_, text) => {
    expect(text).not.toContain('hunter22');
  });

  it('is revealed only on purpose', () => {
    expect(secret.reveal()).toBe('hunter22');
    expect(inspect(secret)).toBe('Secret(registry password)');
  });
});

describe('redactor', () => {
  const hide = (...values: string[]) => redactor(values.map((value) => new Secret('x', value)));

  it('replaces every occurrence, also of values with special characters', () => {
    expect(hide('a.b*c$&')('a.b*c$& and a.b*c$& but not aXbbc')).toBe('*** and *** but not aXbbc');
  });

  it('hides a value that holds another one whole', () => {
    expect(hide('pass', 'password')('my password')).toBe('my ***');
  });

  it('hides the single lines of a key', () => {
    const redact = hide('-----BEGIN KEY-----\nb3BlbnNzaC1r\nZXktdjE\n-----END KEY-----\n');
    expect(redact('log: b3BlbnNzaC1r')).toBe('log: ***');
    expect(redact('ZXktdjE')).toBe('***');
  });

  it('leaves values alone that are too short to be told from words', () => {
    expect(hide('a', '', 'yes')('yes, a cat')).toBe('yes, a cat');
  });

  it('lets no value through, whatever the values', () => {
    const values = fc.array(fc.string({ minLength: 4, unit: fc.constantFrom('a', 'b', '$', '.') }), {
      minLength: 1,
      maxLength: 4,
    });
    fc.assert(
      fc.property(values, fc.string(), (secrets, noise) => {
        const text = hide(...secrets)(`${noise}${secrets.join(noise)}${noise}`);
        for (const secret of secrets) expect(text).not.toContain(secret);
      }),
    );
  });
});
