import { sh } from '../../src/core/index.ts';
import { type Control, linux } from './control.ts';
import { modesAre, rootOnly, sshdSays } from './observe.ts';

/** Their OpenSSH 7.4 cannot take algorithms away from its list (`-` came with 7.5). */
const OLD_SSH = ['centos7', 'amazonlinux2'];
/** Key exchanges over SHA-1; all others stay, those to come too. */
const WEAK_KEX = 'diffie-hellman-group1-sha1,diffie-hellman-group14-sha1,diffie-hellman-group-exchange-sha1';
const CIPHERS = 'chacha20-poly1305@openssh.com,aes256-gcm@openssh.com,aes128-gcm@openssh.com,aes256-ctr,aes192-ctr,aes128-ctr';
const MACS = 'hmac-sha2-512-etm@openssh.com,hmac-sha2-256-etm@openssh.com,hmac-sha2-512,hmac-sha2-256';
const CONFIG = rootOnly('0600', '/etc/ssh/sshd_config');

/** Section 5.2. Who may log in (5.2.18) is the user's to say. */
export const SSH: readonly Control[] = [
  linux('5.2.1', 'only root reads the SSH server’s configuration', { wants: { modes: CONFIG }, check: () => modesAre(CONFIG) }),
  setting('5.2.5', 'SSH logs logins', 'LogLevel', 'INFO', '(INFO|VERBOSE)'),
  setting('5.2.6', 'no X11 through SSH', 'X11Forwarding', 'no'),
  setting('5.2.7', 'four tries to log in', 'MaxAuthTries', '4', '[1-4]'),
  setting('5.2.8', 'rhosts files are ignored', 'IgnoreRhosts', 'yes'),
  setting('5.2.9', 'no login by host name', 'HostbasedAuthentication', 'no'),
  setting('5.2.10', 'root does not log in', 'PermitRootLogin', 'no'),
  setting('5.2.11', 'no login with an empty password', 'PermitEmptyPasswords', 'no'),
  setting('5.2.12', 'users set no variables of their login', 'PermitUserEnvironment', 'no'),
  setting('5.2.13', 'strong ciphers alone', 'Ciphers', CIPHERS, '[a-z0-9@.,-]*', '(3des|arcfour|blowfish|cast128|-cbc)'),
  setting('5.2.14', 'strong message authentication alone', 'MACs', MACS, '[a-z0-9@.,-]*', '(md5|sha1|ripemd|umac-64)'),
  {
    ...setting('5.2.15', 'no key exchange over SHA-1', 'KexAlgorithms', `-${WEAK_KEX}`, '[a-z0-9@.,-]*', 'sha1(,|$)'),
    notOn: OLD_SSH,
  },
  linux('5.2.16', 'idle connections end', {
    wants: { sshd: { ClientAliveInterval: '300', ClientAliveCountMax: '3' } },
    check: () => sh`
      ${sshdSays('ClientAliveInterval', '([1-9]|[1-9][0-9]|[12][0-9][0-9]|300)')}
      ${sshdSays('ClientAliveCountMax', '[1-3]')}
    `,
  }),
  setting('5.2.17', 'a minute to log in', 'LoginGraceTime', '60', '([1-9]|[1-5][0-9]|60)'),
  setting('5.2.19', 'a banner before the login', 'Banner', '/etc/issue.net'),
  setting('5.2.20', 'logins go through PAM', 'UsePAM', 'yes'),
  { ...setting('5.2.21', 'no TCP forwarding', 'AllowTcpForwarding', 'no'), level: 2 },
  { ...setting('5.2.22', 'few logins at once', 'MaxStartups', '10:30:60'), level: 2 },
  setting('5.2.23', 'four sessions in a connection', 'MaxSessions', '4', '[1-4]'),
];

/** `weak` may not be part of what sshd uses. */
function setting(number: string, title: string, name: string, value: string, pattern = value, weak?: string): Control {
  const forbid =
    weak === undefined ? sh`` : sh`if printf '%s\n' "$got" | grep -Eq -- ${weak}; then echo ${`${name} has`} "$got"; fi`;
  return linux(number, title, {
    wants: { sshd: { [name]: value } },
    check: () => sh`
      ${sshdSays(name, pattern)}
      ${forbid}
    `,
  });
}
