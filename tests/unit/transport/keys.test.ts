import ssh2, { type ParsedKey } from 'ssh2';
import { describe, expect, it } from 'vitest';
import { generateKeyPair } from '../../../src/transport/keys.ts';

function parse(text: string): ParsedKey {
  const key = ssh2.utils.parseKey(text);
  if (key instanceof Error) throw key;
  return key;
}

describe('generateKeyPair', () => {
  it('makes pairs that ssh2 reads and that sign for each other, every time', () => {
    for (let count = 0; count < 500; count++) {
      const pair = generateKeyPair('kib-native login');
      expect(parse(pair.publicKey).verify('message', parse(pair.privateKey).sign('message'))).toBe(true);
    }
  });

  it('carries the comment in both halves', () => {
    const pair = generateKeyPair('a comment');
    expect(pair.publicKey).toMatch(/^ssh-ed25519 [A-Za-z0-9+/]+=* a comment$/);
    expect(parse(pair.privateKey).comment).toBe('a comment');
  });

  it('never makes the same key twice', () => {
    expect(generateKeyPair('x').publicKey).not.toBe(generateKeyPair('x').publicKey);
  });
});
