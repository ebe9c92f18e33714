import { describe, expect, it } from 'vitest';
import { loginDigest, makeLogin } from '../../../src/engine/login.ts';

const options = { hostname: 'localhost', minimal: true };

describe('a login', () => {
  it('is root’s where systemd brings it, and an account of its own where cloud-init does', () => {
    const seeded = makeLogin({ ...options, instanceId: 'i-1' });
    expect(seeded.credentials.username).toBe('kib');
    expect(seeded.systemCredentials).toBeUndefined();
    const given = makeLogin({ ...options, instanceId: 'i-1', way: 'credentials' });
    expect(given.credentials.username).toBe('root');
    const text = given.systemCredentials?.['tmpfiles.extra'] ?? '';
    expect(text).toContain(Buffer.from(`${given.credentials.hostKey.trim()}\n`).toString('base64'));
    expect(text).not.toContain(Buffer.from(given.credentials.privateKey.trim()).toString('base64').slice(0, -4));
  });

  it('makes layers differ by the way it comes, not by its keys', () => {
    expect(loginDigest('credentials', options)).toBe(loginDigest('credentials', options));
    expect(loginDigest('credentials', options)).not.toBe(loginDigest('nocloud', options));
  });
});
