import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KibError, type PinnedKey } from '../core/index.ts';
import { run } from './process.ts';

export interface VerifyOptions {
  readonly key: PinnedKey;
  /** Existing folder for gpgv's files, which are gone when this returns. */
  readonly dir: string;
  /** What is being verified, for messages: `https://…/SHA256SUMS`. */
  readonly what: string;
  readonly signal: AbortSignal;
}

/** Verifies a signature made over exactly `data` (gpgv(1)). Throws KIB_SIGNATURE unless it is a good one of the pinned key. */
export async function verifyDetached(data: Uint8Array, signature: Uint8Array, options: VerifyOptions): Promise<void> {
  await inTemporaryDir(options.dir, async (dir) => {
    await writeFile(join(dir, 'data'), data);
    await writeFile(join(dir, 'data.sig'), signature);
    await gpgv(dir, [join(dir, 'data.sig'), join(dir, 'data')], options);
  });
}

/**
 * Verifies a clear-signed text (RFC 9580 §7) and returns the text that was signed, which may be less than what the document shows: lines
 * before and after the signed part are dropped. Throws KIB_SIGNATURE.
 */
export async function verifyClearsigned(document: Uint8Array, options: VerifyOptions): Promise<string> {
  return inTemporaryDir(options.dir, async (dir) => {
    await writeFile(join(dir, 'document.asc'), document);
    await gpgv(dir, ['--output', join(dir, 'text'), join(dir, 'document.asc')], options);
    return readFile(join(dir, 'text'), 'utf8');
  });
}

/** Bytes of an ASCII-armoured block (RFC 9580 §6.2). The checksum line is ignored, as the RFC tells new readers to. */
export function dearmor(armored: string): Buffer {
  const lines = armored.split('\n').map((line) => line.trim());
  const begin = lines.findIndex((line) => line.startsWith('-----BEGIN PGP '));
  const blank = lines.indexOf('', begin);
  const end = lines.findIndex((line) => line.startsWith('-----END PGP '));
  if (begin === -1 || blank === -1 || end < blank) {
    throw new KibError('KIB_SIGNATURE', 'the pinned key is not an ASCII-armoured OpenPGP block');
  }
  const body = lines.slice(blank + 1, end).filter((line) => !line.startsWith('='));
  return Buffer.from(body.join(''), 'base64');
}

async function gpgv(dir: string, args: readonly string[], options: VerifyOptions): Promise<void> {
  const keyring = join(dir, 'key.gpg');
  await writeFile(keyring, dearmor(options.key.armored));
  // gpgv says 1 or 2 for everything that is not a good signature; the status lines tell what.
  const { stdout, stderr } = await run('gpgv', ['--homedir', dir, '--keyring', keyring, '--status-fd', '1', ...args], {
    signal: options.signal,
    okCodes: [0, 1, 2],
  });
  const problem = judge(stdout, options.key);
  if (problem === undefined) return;
  throw new KibError('KIB_SIGNATURE', `the signature of ${options.what} cannot be trusted: ${problem}`, {
    hint: 'nothing was used; try again later or through another network, and compare the key with the one the distributor publishes',
    details: { wanted: options.key.fingerprint, gpgv: stderr.trim().split('\n').slice(-5) },
  });
}

/**
 * Why the status lines (gnupg doc/DETAILS) do not prove a good signature by the key, or undefined when they do. VALIDSIG alone is not
 * enough: it also follows EXPSIG, EXPKEYSIG and REVKEYSIG.
 */
function judge(status: string, key: PinnedKey): string | undefined {
  const lines = status
    .split('\n')
    .filter((line) => line.startsWith('[GNUPG:] '))
    .map((line) => line.slice('[GNUPG:] '.length).trim().split(' '));
  const has = (keyword: string) => lines.some(([name]) => name === keyword);
  const want = `want a signature by ${key.owner} (${key.fingerprint})`;
  if (has('BADSIG')) return 'the text is not what was signed';
  if (has('REVKEYSIG')) return `the key ${key.fingerprint} was revoked`;
  if (has('EXPKEYSIG')) return `the key ${key.fingerprint} has expired; its owner may have published a renewed copy`;
  if (has('EXPSIG')) return 'the signature has expired';
  // VALIDSIG <signing key> <date> <time> <expiry> <version> <reserved> <algorithm> <hash> <class> <primary key>
  const signers = lines.filter(([name]) => name === 'VALIDSIG').map((fields) => [fields[1], fields[10]]);
  if (has('GOODSIG') && signers.some((fingerprints) => fingerprints.includes(key.fingerprint))) return undefined;
  if (signers.length > 0)
    return `${want}, got one by ${signers.map((fingerprints) => fingerprints[1] ?? fingerprints[0]).join(', ')}`;
  const unknown = lines.filter(([name]) => name === 'NO_PUBKEY').map((fields) => fields[1]);
  return unknown.length > 0 ? `${want}, got one by ${unknown.join(', ')}` : `${want}, found none`;
}

async function inTemporaryDir<T>(parent: string, work: (dir: string) => Promise<T>): Promise<T> {
  const dir = await mkdtemp(join(parent, 'gpgv-'));
  try {
    return await work(dir);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
