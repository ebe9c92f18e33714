import { readFileSync } from 'node:fs';

/** Lines of a private key's file that would give it away. */
export function privateLines(keyFile: string): readonly string[] {
  const lines = readFileSync(keyFile, 'utf8').split('\n');
  // The first three hold the public key alone (PROTOCOL.key of OpenSSH).
  return lines.filter((line) => /^[A-Za-z0-9+/=]{32,}$/.test(line)).slice(3);
}
