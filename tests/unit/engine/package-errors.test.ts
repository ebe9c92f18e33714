import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { packageFailure } from '../../../src/engine/package-errors.ts';

/** What apt of Debian 12 and 13 and dnf 4 said when they were made to fail. */
const linesOf = (name: string) =>
  readFileSync(fileURLToPath(new URL(`package-outputs/${name}.txt`, import.meta.url)), 'utf8').split('\n');

describe('packageFailure', () => {
  it.each([
    ['dnf-4.23-key', 'KIB_PACKAGE_KEY', 'nothing vouches for foreign-1-1.noarch'],
    [
      'dnf-4.23-conflict',
      'KIB_PACKAGE_CONFLICT',
      'package enemy-1-1.noarch from os conflicts with jq provided by jq-1.7.1-1.noarch',
    ],
    ['dnf-4.23-version', 'KIB_PACKAGE_VERSION', 'no repository has jq-9.9; there is 1.7.1-1, 1.8.1-1'],
    ['dnf-4.23-refused', 'KIB_PACKAGE_REPOSITORY', 'the package repository closed cannot be read: Could not connect to server'],
    ['apt-2.6-version', 'KIB_PACKAGE_VERSION', 'no repository has alpha in version 9.9'],
    ['apt-3.0-version', 'KIB_PACKAGE_VERSION', 'no repository has alpha in version 9.9'],
    ['apt-2.6-unknown', 'KIB_PACKAGE_VERSION', 'no repository has alphaa'],
    ['dnf-4.14-version', 'KIB_PACKAGE_VERSION', 'no repository has jq-9.9'],
    ['dnf-4.14-unknown', 'KIB_PACKAGE_VERSION', 'no repository has jqq'],
    ['apt-2.6-needy', 'KIB_PACKAGE_CONFLICT', 'needy : Depends: nobody but it is not installable'],
    ['apt-2.6-conflict', 'KIB_PACKAGE_CONFLICT', 'enemy : Conflicts: alpha but 1.1 is to be installed'],
    ['apt-3.0-conflict', 'KIB_PACKAGE_CONFLICT', 'enemy : Conflicts: alpha but 1.1 is to be installed'],
    ['dnf-4.14-needy', 'KIB_PACKAGE_CONFLICT', 'nothing provides absent-thing needed by needs-1-1.noarch'],
    ['dnf-4.14-conflict', 'KIB_PACKAGE_CONFLICT', 'package enemy-1-1.noarch conflicts with jq provided by jq-1.8.1-1.noarch'],
    ['apt-2.6-key', 'KIB_PACKAGE_KEY', 'it is signed by A61F97EFCB309EEF, which is not trusted'],
    ['apt-3.0-key', 'KIB_PACKAGE_KEY', 'it is signed by 7A053E0193AEECEB08727D08A61F97EFCB309EEF, which is not trusted'],
    ['dnf-4.14-key', 'KIB_PACKAGE_KEY', 'nothing vouches for foreign-1-1.noarch'],
    [
      'apt-2.6-refused',
      'KIB_PACKAGE_REPOSITORY',
      'http://127.0.0.1:1/./InRelease cannot be read: Could not connect to 127.0.0.1:1',
    ],
    [
      'apt-3.0-refused',
      'KIB_PACKAGE_REPOSITORY',
      'http://127.0.0.1:1/./InRelease cannot be read: Unable to connect to 127.0.0.1:1',
    ],
    ['apt-2.6-resolve', 'KIB_PACKAGE_REPOSITORY', "Could not resolve 'no-such-host.invalid'"],
    ['apt-2.6-missing', 'KIB_PACKAGE_REPOSITORY', 'http://127.0.0.1:18765/none ./ Release cannot be read: 404  File not found'],
    ['apt-3.0-silent', 'KIB_PACKAGE_REPOSITORY', 'cannot be read: Connection failed'],
    ['dnf-4.14-refused', 'KIB_PACKAGE_REPOSITORY', "the package repository closed cannot be read: Couldn't connect to server"],
    ['dnf-4.14-resolve', 'KIB_PACKAGE_REPOSITORY', "the package repository closed cannot be read: Couldn't resolve host name"],
    ['dnf-4.14-missing', 'KIB_PACKAGE_REPOSITORY', 'the package repository closed cannot be read: Status code: 404'],
    ['dnf-4.14-silent', 'KIB_PACKAGE_REPOSITORY', 'the package repository closed cannot be read: Timeout was reached'],
    ['apt-2.6-lock', 'KIB_PACKAGE_LOCK', 'process 22901 (python3)'],
    ['apt-3.0-lock', 'KIB_PACKAGE_LOCK', 'process 23215 (python3)'],
    ['apt-3.0-full', 'KIB_GUEST_DISK_FULL', 'the guest’s disk is full'],
    ['apt-3.0-full-archives', 'KIB_GUEST_DISK_FULL', 'the guest’s disk is full: /var/cache/apt/archives/'],
    ['dnf-4.14-full', 'KIB_GUEST_DISK_FULL', 'the guest’s disk is full: /'],
  ])('%s is %s', (name, code, text) => {
    const failure = packageFailure(linesOf(name));
    expect(failure?.code).toBe(code);
    expect(failure?.message).toContain(text);
  });

  it('says which versions there are', () => {
    const there = ['there is jq 1.7.1-1', 'there is jq 1.8.1-1', 'there is jq-devel 1.8.1-1', 'there is jq 1.8.1-1'];
    expect(packageFailure([...linesOf('dnf-4.14-version'), ...there])?.message).toBe(
      'no repository has jq-9.9; there is 1.7.1-1, 1.8.1-1',
    );
    expect(packageFailure([...linesOf('apt-3.0-version'), 'there is alpha 1.1', 'there is alpha 1.0'])?.message).toBe(
      'no repository has alpha in version 9.9; there is 1.1, 1.0',
    );
  });

  it('names the holder that our own wait found', () => {
    const line = 'the package database is locked by process 812 (python3 /usr/bin/dnf makecache )';
    expect(packageFailure([line])).toMatchObject({ code: 'KIB_PACKAGE_LOCK', again: 'never' });
    expect(packageFailure([line])?.message).toContain('process 812 (python3 /usr/bin/dnf makecache )');
  });

  it('does not take a lock that was got in the end for the reason', () => {
    const waited = linesOf('apt-3.0-lock').filter((line) => line.startsWith('Waiting for cache lock'));
    expect(packageFailure([...waited, ...linesOf('apt-3.0-version')])?.code).toBe('KIB_PACKAGE_VERSION');
    expect(packageFailure(waited)).toBeUndefined();
  });

  it('has nothing to say of what it does not know', () => {
    expect(
      packageFailure(['dpkg: error processing package foo (--configure):', ' installed foo package post-installation script']),
    ).toBeUndefined();
    expect(packageFailure([])).toBeUndefined();
  });
});
