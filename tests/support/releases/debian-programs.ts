import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sha256 } from '../../../src/core/index.ts';
import { aptSources } from '../../../src/io/apt.ts';

/** Where this host's apt has Debian from, by http; undefined when it has not. */
export async function debianMirror(isSecurity = false): Promise<string | undefined> {
  const sources = await aptSources(AbortSignal.timeout(30_000));
  return sources.find(({ uri, suite }) => /^https?:.*debian/.test(uri) && suite.endsWith('-security') === isSecurity)?.uri;
}

/** Unpacks packages of Debian 13 into the folder `into`. */
export async function unpackDebian(names: readonly string[], into: string): Promise<void> {
  const mirror = await debianMirror();
  if (mirror === undefined) throw new Error('apt of this host does not install from Debian by http');
  const index = await fetched(`${mirror}/dists/trixie/main/binary-amd64/Packages.xz`);
  const packages = execFileSync('xz', ['-dc'], { input: index, maxBuffer: 1 << 28 })
    .toString()
    .split('\n\n');
  for (const name of names) {
    const fields = packages.find((text) => text.startsWith(`Package: ${name}\n`)) ?? '';
    const field = (key: string) => new RegExp(`^${key}: (.*)$`, 'm').exec(fields)?.[1] ?? '';
    const bytes = await fetched(`${mirror}/${field('Filename')}`);
    if (sha256(bytes) !== field('SHA256')) throw new Error(`${name} is not what the archive's index says`);
    const file = join(into, `${name}.deb`);
    writeFileSync(file, bytes);
    execFileSync('dpkg-deb', ['--extract', file, into]);
  }
}

async function fetched(url: string): Promise<Buffer> {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
  return Buffer.from(await answer.arrayBuffer());
}
