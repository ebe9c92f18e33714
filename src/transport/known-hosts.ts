import { createHmac } from 'node:crypto';
import type { Endpoint } from '../core/index.ts';

/** A key that a server may show: its blob as it goes over the wire (RFC 4253 §6.6). */
export interface HostKey {
  /** `ssh-ed25519`. */
  readonly type: string;
  readonly blob: Buffer;
}

/** Keys that a known_hosts file (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT) has for a server; those it marks as revoked are left out. */
export function knownHostKeys(text: string, endpoint: Endpoint): readonly HostKey[] {
  const names = endpoint.port === 22 ? [endpoint.host] : [`[${endpoint.host}]:${endpoint.port}`];
  const revoked = new Set<string>();
  const found: { readonly type: string; readonly key: string }[] = [];
  for (const line of text.split('\n')) {
    const words = line.trim().split(/\s+/);
    const marker = words[0]?.startsWith('@') === true ? words.shift() : undefined;
    const [patterns = '', type = '', key = ''] = words;
    if (patterns.startsWith('#') || key === '' || !names.some((name) => matchesAny(patterns, name))) continue;
    if (marker === '@revoked') revoked.add(key);
    // A certificate authority vouches for other keys, which ssh2 cannot check.
    else if (marker === undefined) found.push({ type, key });
  }
  return found.filter(({ key }) => !revoked.has(key)).map(({ type, key }) => ({ type, blob: Buffer.from(key, 'base64') }));
}

/** One line of a public key file, `ssh-ed25519 AAAA… comment`; undefined when it is none. */
export function parsePublicKey(line: string): HostKey | undefined {
  const [, type, key] = /^\s*([\w@.-]+)\s+([A-Za-z0-9+/]{32,}={0,2})(\s|$)/.exec(line) ?? [];
  return type === undefined || key === undefined ? undefined : { type, blob: Buffer.from(key, 'base64') };
}

function matchesAny(patterns: string, name: string): boolean {
  if (patterns.startsWith('|1|')) return matchesHash(patterns, name);
  const all = patterns.split(',').map((pattern) => pattern.toLowerCase());
  const lower = name.toLowerCase();
  if (all.some((pattern) => pattern.startsWith('!') && matches(pattern.slice(1), lower))) return false;
  return all.some((pattern) => matches(pattern, lower));
}

function matches(pattern: string, name: string): boolean {
  const source = Array.from(pattern)
    .map((char) => (char === '*' ? '.*' : char === '?' ? '.' : char.replaceAll(/[^\w]/g, '\\$&')))
    .join('');
  return new RegExp(`^${source}$`).test(name);
}

// `|1|salt|hash`: HMAC-SHA1 of the name with the salt as its key.
function matchesHash(pattern: string, name: string): boolean {
  const [, , salt = '', hash = ''] = pattern.split('|');
  return createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest('base64') === hash;
}
