import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { buildSeed } from '../../../cloudinit/seed.ts';

const options = {
  login: { username: 'kib', authorizedKey: 'ssh-ed25519 AAAA kib' },
  hostKey: { privateKey: 'line one\nline two', publicKey: 'ssh-ed25519 BBBB host' },
  instanceId: 'kib-1',
  hostname: 'localhost',
};

describe('buildSeed', () => {
  it('starts user-data with the header that cloud-init looks for', () => {
    expect(buildSeed({ ...options, minimal: true })['user-data'].split('\n')[0]).toBe('#cloud-config');
  });

  it('gives the one account a key and no password, and makes no other', () => {
    const data = parse(buildSeed({ ...options, minimal: false })['user-data']);
    expect(data.users).toEqual([
      expect.objectContaining({ name: 'kib', lock_passwd: true, ssh_authorized_keys: [options.login.authorizedKey] }),
    ]);
    expect(JSON.stringify(data)).not.toMatch(/passwd":"|plain_text_passwd|chpasswd/);
    expect(data.ssh_pwauth).toBe(false);
  });

  it('keeps the private host key whole, line breaks included', () => {
    const data = parse(buildSeed({ ...options, minimal: true })['user-data']);
    expect(data.ssh_keys.ed25519_private).toBe('line one\nline two\n');
  });

  it('leaves network-config out unless cards are given, so that cloud-init falls back to DHCP', () => {
    expect(buildSeed({ ...options, minimal: true })).not.toHaveProperty('network-config');
    const network = parse(
      buildSeed({ ...options, minimal: true, network: [{ macAddress: 'AA:BB:CC:00:11:22' }] })['network-config'] ?? '',
    );
    expect(network).toEqual({ version: 2, ethernets: { nic0: { match: { macaddress: 'aa:bb:cc:00:11:22' }, dhcp4: true } } });
  });
});
