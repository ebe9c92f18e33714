import { describe, expect, it } from 'vitest';
import { loginCredentials } from '../../../cloudinit/login-credentials.ts';

const options = {
  authorizedKey: 'ssh-ed25519 AAAA kib',
  hostKey: { privateKey: 'line one\nline two', publicKey: 'ssh-ed25519 BBBB host' },
};

/** The files that systemd-tmpfiles makes of it: path → mode and content. */
function filesOf(credentials: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const lines = (credentials['tmpfiles.extra'] ?? '').trimEnd().split('\n');
  return Object.fromEntries(
    lines
      .filter((line) => !line.includes(' /run/'))
      .map((line) => {
        const [type, path = '', mode, owner, group, age, content = '', ...rest] = line.split(' ');
        expect([type, owner, group, age, rest]).toEqual([expect.stringMatching(/^(d|f\+~)$/), 'root', 'root', '-', []]);
        return [path, `${mode} ${type === 'd' ? '(folder)' : Buffer.from(content, 'base64').toString()}`];
      }),
  );
}

describe('loginCredentials', () => {
  it('writes both keys and what names them, readable to root alone where they are secret', () => {
    expect(Object.keys(loginCredentials(options))).toEqual(['tmpfiles.extra']);
    expect(filesOf(loginCredentials(options))).toEqual({
      '/root/.ssh': '0700 (folder)',
      '/root/.ssh/authorized_keys': '0600 ssh-ed25519 AAAA kib\n',
      '/etc/ssh/ssh_host_ed25519_key': '0600 line one\nline two\n',
      '/etc/ssh/ssh_host_ed25519_key.pub': '0644 ssh-ed25519 BBBB host\n',
      '/etc/ssh/sshd_config.d/00-kib-native.conf': expect.stringMatching(/^0600 HostKey .*\nMatch User root\n/) as string,
    });
  });

  it('masks the service manager of root for this boot alone', () => {
    const lines = (loginCredentials(options)['tmpfiles.extra'] ?? '').split('\n').filter((line) => line.includes(' /run/'));
    expect(lines).toEqual(['L+ /run/systemd/system/user@0.service - - - - /dev/null']);
  });
});
