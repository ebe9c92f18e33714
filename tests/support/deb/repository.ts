import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { Signer } from '../openpgp.ts';

const exec = promisify(execFile);

/** Host programs that a repository of Debian packages is made with. */
export const DEB_TOOLS = ['dpkg-deb', 'apt-ftparchive', 'gpg', 'gpgconf'];

export interface DebSpec {
  readonly name: string;
  readonly version: string;
  readonly depends?: string;
  /** Bytes of zeros that it installs, to fill a disk. */
  readonly bytes?: number;
  /** Text by absolute path; what lies in a bin folder can be run. */
  readonly files?: Readonly<Record<string, string>>;
  /** Shell text that runs once it is installed. */
  readonly postinst?: string;
}

/** Writes packages and a signed index of them into `folder`: a flat repository, suite `./`. */
export async function makeDebRepository(folder: string, specs: readonly DebSpec[], signer: Signer): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const spec of specs) await makeDeb(folder, spec);
  const ftparchive = async (...args: string[]) => (await exec('apt-ftparchive', args, { cwd: folder })).stdout;
  await writeFile(join(folder, 'Packages'), await ftparchive('packages', '.'));
  await writeFile(join(folder, 'InRelease'), await signer.clearsign(await ftparchive('release', '.')));
}

/** Writes the package into `folder` and returns its path. */
export async function makeDeb(folder: string, spec: DebSpec): Promise<string> {
  const { name, version, depends, bytes = 0, files = {}, postinst } = spec;
  const dir = await mkdtemp(join(tmpdir(), 'deb-'));
  try {
    const control = {
      Package: name,
      Version: version,
      Architecture: 'all',
      Maintainer: 'T <t@example.org>',
      Description: name,
      ...(depends === undefined ? {} : { Depends: depends }),
    };
    const put = async (path: string, text: string, mode: number) => {
      await mkdir(join(dir, dirname(path)), { recursive: true, mode: 0o755 });
      await writeFile(join(dir, path), text, { mode });
    };
    const fields = Object.entries(control).map(([field, value]) => `${field}: ${value}\n`);
    await put('DEBIAN/control', fields.join(''), 0o644);
    if (postinst !== undefined) await put('DEBIAN/postinst', `#!/bin/sh\nset -eu\n${postinst}\n`, 0o755);
    await put(`opt/${name}`, `${version}\n`, 0o644);
    if (bytes > 0) await truncate(join(dir, 'opt', name), bytes);
    for (const [path, text] of Object.entries(files)) await put(path, text, /\/s?bin\//.test(path) ? 0o755 : 0o644);
    const deb = join(folder, `${name}_${version}_all.deb`);
    await exec('dpkg-deb', ['--build', '--root-owner-group', '-Zgzip', '-z1', dir, deb]);
    return deb;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
