import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import { beforeEach, describe, expect, it } from 'vitest';
import { sh } from '../../src/core/index.ts';
import { canBeGuest, packageManagerWorld, treeText } from '../support/package-manager-world.ts';

const exec = promisify(execFile);
const canDnf = canBeGuest('dnf', 'createrepo_c', 'rpmbuild', 'openssl');

describe.skipIf(!canDnf)('dnf (needs dnf, createrepo-c, rpm, openssl, openssh-server, and root)', () => {
  const { world, anotherGuest, install, execute } = packageManagerWorld('dnf');

  beforeEach(() => publishRpms());

  async function dnfRoot(name: string): Promise<string> {
    const dir = join(world.context.root, name);
    await mkdir(join(dir, 'repos'), { recursive: true });
    const repositories = [
      '[plain]\nname=plain\nbaseurl=https://repo.example.org/rpm/$releasever/',
      '[mirrored]\nname=mirrored\nmirrorlist=https://repo.example.org/mirrorlist?release=$releasever\ncountme=1',
    ];
    await writeFile(join(dir, 'repos', 'test.repo'), repositories.map((text) => `${text}\nenabled=1\ngpgcheck=0\n`).join('\n'));
    return dir;
  }

  const dnf = (dir: string) =>
    install(sh`
      dnf --assumeyes --installroot=${join(dir, 'root')} --releasever=1 --setopt=reposdir=${join(dir, 'repos')} --setopt=pluginpath=/nowhere \
        --setopt=install_weak_deps=False --setopt=keepcache=True install alpha gamma
    `);

  async function publishRpms(): Promise<void> {
    for (const [name, url] of [
      ['alpha', 'https://repo.example.org/rpm/1/'],
      ['gamma', 'http://mirror-b.example.org/rpm/1/'],
    ] as const) {
      const dir = join(world.context.root, `rpm-${name}`);
      await mkdir(dir);
      await makeRpm(dir, name);
      await exec('createrepo_c', ['--quiet', dir]);
      for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
        const path = join(entry.parentPath, entry.name);
        if (entry.isFile()) world.servers.files.set(`${url}${relative(dir, path)}`, await readFile(path));
      }
    }
    for (const [url, bytes] of Array.from(world.servers.files)) {
      world.servers.files.set(url.replace('http://mirror-b', 'https://mirror-a'), bytes);
    }
    offerMirrors('https://mirror-a.example.org/rpm/1/', 'http://mirror-b.example.org/rpm/1/');
  }

  function offerMirrors(...urls: string[]): void {
    world.servers.files.set('https://repo.example.org/mirrorlist?release=1', Buffer.from(`# mirrors\n${urls.join('\n')}\n`));
  }

  async function makeRpm(dir: string, name: string): Promise<void> {
    const lines = [
      `Name: ${name}`,
      'Version: 1',
      'Release: 1',
      'Summary: test',
      'License: none',
      'BuildArch: noarch',
      'AutoReqProv: no',
    ];
    const spec = join(world.context.root, `${name}.spec`);
    const payload = createHash('sha512').update(name).digest('hex').repeat(2000);
    await writeFile(
      spec,
      `${lines.join('\n')}\n%description\ntest\n%install\nmkdir -p %{buildroot}/opt\necho ${payload} >%{buildroot}/opt/${name}\n%files\n/opt/${name}\n`,
    );
    const defines = { _rpmdir: dir, _topdir: join(world.context.root, 'rpmbuild'), _build_name_fmt: '%%{NAME}-%%{VERSION}.rpm' };
    await exec('rpmbuild', [
      '-bb',
      '--quiet',
      ...Object.entries(defines).flatMap(([key, value]) => ['--define', `${key} ${value}`]),
      spec,
    ]);
  }

  const packages = () => world.servers.log.filter((line) => line.endsWith('.rpm')).sort();

  it('downloads a package once for two guests, from whichever mirror, and leaves no trace', async () => {
    await execute(dnf(await dnfRoot('one')));
    expect(packages()).toEqual([
      'GET https://mirror-a.example.org/rpm/1/gamma-1.rpm',
      'GET https://repo.example.org/rpm/1/alpha-1.rpm',
    ]);
    await anotherGuest();
    offerMirrors('http://mirror-b.example.org/rpm/1/', 'https://mirror-a.example.org/rpm/1/');
    const second = await dnfRoot('two');
    await execute(dnf(second));
    expect(existsSync(join(second, 'root/opt/alpha')) && existsSync(join(second, 'root/opt/gamma'))).toBe(true);
    expect(packages()).toEqual([]);
    expect(world.servers.log.filter((line) => !/repomd\.xml$|mirrorlist/.test(line))).toEqual([]);
    for (const folder of ['root/var/lib', 'root/etc', 'root/opt']) {
      const text = existsSync(join(second, folder)) ? await treeText(join(second, folder)) : '';
      expect(text).not.toMatch(/127\.0\.0\.1|https\.invalid|mirrors\.invalid|countme|sitecustomize/);
    }
    expect(await treeText(join(second, 'root/var/lib'))).toContain('alpha');
  });
});
