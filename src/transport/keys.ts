import { generateKeyPairSync, randomBytes } from 'node:crypto';

export interface KeyPair {
  /** OpenSSH private key text (PROTOCOL.key), without passphrase. */
  readonly privateKey: string;
  /** `ssh-ed25519 AAAA… comment`. */
  readonly publicKey: string;
}

const TYPE = 'ssh-ed25519';

/**
 * Makes an ed25519 key pair in OpenSSH's formats. Encoded here rather than by ssh2's generator, which reads the key out of DER at the
 * wrong offset now and then: 7 of 3000 pairs of ssh2 1.17.0 cannot be parsed again.
 */
export function generateKeyPair(comment: string): KeyPair {
  const jwk = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
  const seed = Buffer.from(String(jwk.d), 'base64url');
  const point = Buffer.from(String(jwk.x), 'base64url');
  const blob = Buffer.concat([field(TYPE), field(point)]);
  return {
    privateKey: armor(encodePrivate(seed, point, blob, comment)),
    publicKey: `${TYPE} ${blob.toString('base64')} ${comment}`,
  };
}

/** openssh-key-v1 without cipher: https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.key */
function encodePrivate(seed: Buffer, point: Buffer, blob: Buffer, comment: string): Buffer {
  const check = randomBytes(4);
  const secret = Buffer.concat([check, check, blob, field(Buffer.concat([seed, point])), field(comment)]);
  const padding = Buffer.from(Array.from({ length: (8 - (secret.length % 8)) % 8 }, (_, index) => index + 1));
  return Buffer.concat([
    Buffer.from('openssh-key-v1\0'),
    field('none'),
    field('none'),
    field(''),
    uint32(1),
    field(blob),
    field(Buffer.concat([secret, padding])),
  ]);
}

function armor(bytes: Buffer): string {
  const lines = bytes.toString('base64').replace(/.{70}/g, '$&\n').trimEnd();
  return `-----BEGIN OPENSSH PRIVATE KEY-----\n${lines}\n-----END OPENSSH PRIVATE KEY-----\n`;
}

function field(value: string | Buffer): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  return Buffer.concat([uint32(bytes.length), bytes]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
