import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { generateKeyPair } from '../../../src/transport/keys.ts';
import { knownHostKeys, parsePublicKey } from '../../../src/transport/known-hosts.ts';

const [one, two] = [generateKeyPair('one').publicKey, generateKeyPair('two').publicKey];
const blob = (key: string) => Buffer.from(key.split(' ')[1] ?? '', 'base64');
const find = (text: string, host: string, port = 22) => knownHostKeys(text, { host, port }).map((key) => key.blob);

describe('known hosts', () => {
  it('are found by name, pattern and port', () => {
    const text = `# a comment\n\nhyper,10.0.0.1 ${one}\n*.example.org,!bad.example.org ${two}\n[hyper]:2222 ${two}\n`;
    expect(find(text, 'hyper')).toEqual([blob(one)]);
    expect(find(text, 'HYPER')).toEqual([blob(one)]);
    expect(find(text, '10.0.0.1')).toEqual([blob(one)]);
    expect(find(text, 'hyper', 2222)).toEqual([blob(two)]);
    expect(find(text, '10.0.0.1', 2222)).toEqual([]);
    expect(find(text, 'a.example.org')).toEqual([blob(two)]);
    expect(find(text, 'bad.example.org')).toEqual([]);
    expect(find(text, 'aXexample.org')).toEqual([]);
  });

  it('are found by the hash of their name', () => {
    const salt = Buffer.from('01234567890123456789');
    const hash = createHmac('sha1', salt).update('hyper').digest('base64');
    const text = `|1|${salt.toString('base64')}|${hash} ${one}`;
    expect(find(text, 'hyper')).toEqual([blob(one)]);
    expect(find(text, 'other')).toEqual([]);
  });

  it('are not believed once revoked, nor is an authority taken for a host', () => {
    expect(find(`hyper ${one}\n@revoked * ${one}\n`, 'hyper')).toEqual([]);
    expect(find(`@cert-authority hyper ${one}\n`, 'hyper')).toEqual([]);
  });

  it('are public keys, one to a line', () => {
    expect(parsePublicKey(one)).toEqual({ type: 'ssh-ed25519', blob: blob(one) });
    expect(parsePublicKey('no key')).toBeUndefined();
  });
});
