import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Signer } from '../openpgp.ts';

const exec = promisify(execFile);

/** Host programs that a repository of Debian packages is made with. */
export const DEB_TOOLS = ['dpkg-deb', 'apt-ftparchive', 'gpg', 'gpgconf'];

export interface DebSpec {
  readonly name: string;
  readonly version: string;
  /** Bytes of zeros that it installs, to fill a disk. */
  readonly bytes?: number;
}

/** Writes packages and a signed index of them into `folder`: a flat repository, suite `./`. */
export async function makeDebRepository(folder: string, specs: readonly DebSpec[], signer: Signer): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const spec of specs) await makeDeb(folder, spec);
  const ftparchive = async (...args: string[]) => (await exec('apt-ftparchive', args, { cwd: folder })).stdout;
  await writeFile(join(folder, 'Packages'), await ftparchive('packages', '.'));
  await writeFile(join(folder, 'InRelease'), await signer.clearsign(await ftparchive('release', '.')));
}

async function makeDeb(folder: string, { name, version, bytes = 0 }: DebSpec): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'deb-'));
  try {
    const control = { Package: name, Version: version, Architecture: 'all', Maintainer: 'T <t@example.org>', Description: name };
    const fields = Object.entries(control).map(([field, value]) => `${field}: ${value}\n`);
    await mkdir(join(dir, 'DEBIAN'), { mode: 0o755 });
    await writeFile(join(dir, 'DEBIAN', 'control'), fields.join(''));
    await mkdir(join(dir, 'opt'));
    await writeFile(join(dir, 'opt', name), `${version}\n`);
    if (bytes > 0) await truncate(join(dir, 'opt', name), bytes);
    await exec('dpkg-deb', ['--build', '--root-owner-group', '-Zgzip', '-z1', dir, join(folder, `${name}_${version}_all.deb`)]);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
