import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { PinnedKey } from '../../src/core/index.ts';
import { dearmor } from '../../src/io/openpgp.ts';

const exec = promisify(execFile);

export interface Signer extends AsyncDisposable {
  readonly key: PinnedKey;
  /** ASCII-armoured signature over a file's bytes. */
  detach(data: string | Buffer): Promise<Buffer>;
  /** The same, as binary OpenPGP packets. */
  detachBinary(data: string | Buffer): Promise<Buffer>;
  clearsign(text: string): Promise<Buffer>;
}

export interface SignerOptions {
  /** gpg's expiry of the key, `1d`; default: never. */
  readonly expires?: string;
  /** When the key is made and signs, `20200101T000000`; default: now. */
  readonly at?: string;
  /** Lifetime of signatures. */
  readonly signatureExpires?: string;
}

/** A key of its own in a GNUPGHOME of its own (gpg of package gnupg). Disposing it stops the agent. */
export async function makeSigner(options: SignerOptions = {}): Promise<Signer> {
  // A short path: it holds the agent's socket.
  const home = await mkdtemp(join(tmpdir(), 'gpg-'));
  const owner = 'Test Release <release@example.org>';
  const gpg = async (...args: string[]) => {
    const time = options.at === undefined ? [] : ['--faked-system-time', `${options.at}!`];
    const base = ['--homedir', home, '--batch', '--yes', '--quiet', '--passphrase', '', '--pinentry-mode', 'loopback'];
    return exec('gpg', [...base, ...time, ...args], { encoding: 'buffer', env: { ...process.env, LC_ALL: 'C' } });
  };
  await gpg('--quick-generate-key', owner, 'rsa2048', 'sign', options.expires ?? 'never');
  const armored = (await gpg('--armor', '--export')).stdout.toString();
  const expiry = options.signatureExpires === undefined ? [] : ['--default-sig-expire', options.signatureExpires];
  const sign = async (data: string | Buffer, ...how: string[]) => {
    await writeFile(join(home, 'data'), data);
    return (await gpg(...expiry, ...how, '--output', '-', join(home, 'data'))).stdout;
  };
  return {
    key: { fingerprint: fingerprintOf(armored), owner, armored },
    detach: (data) => sign(data, '--armor', '--detach-sign'),
    detachBinary: (data) => sign(data, '--detach-sign'),
    clearsign: (text) => sign(text, '--clearsign'),
    async [Symbol.asyncDispose]() {
      await exec('gpgconf', ['--homedir', home, '--kill', 'all']);
      await rm(home, { recursive: true, force: true });
    },
  };
}

/** Fingerprint of the first public key packet, version 4 (RFC 9580 §5.5.4.2: SHA-1 over 0x99, length and packet body). */
export function fingerprintOf(armored: string): string {
  const packets = dearmor(armored);
  const tag = packets.readUInt8(0);
  const isNewFormat = (tag & 0x40) !== 0;
  const type = isNewFormat ? tag & 0x3f : (tag >> 2) & 0x0f;
  // Only the length forms that public keys come in: two bytes, both in the old format and (192 to 8383) in the new one.
  const length = isNewFormat ? ((packets.readUInt8(1) - 192) << 8) + packets.readUInt8(2) + 192 : packets.readUInt16BE(1);
  if (type !== 6 || packets.readUInt8(3) !== 4 || (!isNewFormat && (tag & 3) !== 1))
    throw new Error('not a version 4 public key packet');
  const body = packets.subarray(3, 3 + length);
  const prefix = Buffer.from([0x99, length >> 8, length & 0xff]);
  return createHash('sha1').update(prefix).update(body).digest('hex').toUpperCase();
}
