import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const exec = promisify(execFile);

/** Host programs that an RPM repository is made with. */
export const RPM_TOOLS = ['rpmbuild', 'rpmsign', 'createrepo_c', 'gpg', 'gpgconf'];

interface RpmSpec {
  readonly name: string;
  readonly version: string;
  /** Texts of its files, all executable. */
  readonly files?: Readonly<Record<string, string>>;
  readonly requires?: readonly string[];
  readonly conflicts?: readonly string[];
  /** Bytes of a file that is written when it is installed, to fill a disk. */
  readonly bytes?: number;
}

export interface RpmSigner extends AsyncDisposable {
  /** ASCII-armoured public key. */
  readonly key: string;
  /** Writes a signed package per specification into `folder`. Nothing is required by itself, since the guest's base is no rpm system. */
  build(folder: string, specs: readonly RpmSpec[]): Promise<void>;
}

/** Packages of our own, signed by a key of our own (packages rpm, createrepo-c, gnupg). Dispose it. */
export async function makeRpmSigner(): Promise<RpmSigner> {
  // A short path: it holds the agent's socket.
  const home = await mkdtemp(join(tmpdir(), 'rpm-'));
  const env = { ...process.env, GNUPGHOME: home, HOME: home, LC_ALL: 'C' };
  const batch = ['--batch', '--quiet', '--passphrase', '', '--pinentry-mode', 'loopback'];
  await exec('gpg', [...batch, '--quick-generate-key', 'Test Packages <packages@example.org>', 'rsa2048', 'sign', 'never'], {
    env,
  });
  const key = (await exec('gpg', [...batch, '--armor', '--export'], { env })).stdout;
  return {
    key,
    async build(folder, specs) {
      await mkdir(folder, { recursive: true });
      for (const spec of specs) {
        const file = join(home, 'package.spec');
        await writeFile(file, specText(spec));
        await exec('rpmbuild', ['-bb', '--quiet', '--define', `_topdir ${home}/build`, '--define', `_rpmdir ${folder}`, file], {
          env,
        });
      }
      const built = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.rpm'));
      const paths = built.map((name) => join(folder, name));
      await exec(
        'rpmsign',
        ['--addsign', '--define', '_gpg_name packages@example.org', '--define', '__gpg /usr/bin/gpg', ...paths],
        { env },
      );
      await exec('createrepo_c', ['--quiet', folder]);
    },
    async [Symbol.asyncDispose]() {
      await exec('gpgconf', ['--homedir', home, '--kill', 'all']);
      await rm(home, { recursive: true, force: true });
    },
  };
}

function specText({ name, version, files = {}, requires = [], conflicts = [], bytes = 0 }: RpmSpec): string {
  const install = Object.entries(files).map(
    ([path, text]) =>
      `mkdir -p "%{buildroot}$(dirname ${path})"\ncat >%{buildroot}${path} <<'__'\n${text}\n__\nchmod 0755 %{buildroot}${path}`,
  );
  const bulk = bytes === 0 ? [] : [`mkdir -p %{buildroot}/opt`, `truncate -s ${bytes} %{buildroot}/opt/${name}`];
  return [
    `Name: ${name}`,
    `Version: ${version}`,
    'Release: 1',
    `Summary: ${name}`,
    'License: none',
    'BuildArch: noarch',
    'AutoReqProv: no',
    ...requires.map((other) => `Requires: ${other}`),
    ...conflicts.map((other) => `Conflicts: ${other}`),
    '%description',
    name,
    '%install',
    ...install,
    ...bulk,
    '%files',
    ...Object.keys(files),
    ...(bytes === 0 ? [] : [`/opt/${name}`]),
    '',
  ].join('\n');
}
