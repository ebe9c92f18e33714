import { describe, expect, it } from 'vitest';
import { mountFiles } from '../../../../src/engine/inspect/guest-files.ts';
import { UnreadableError } from '../../../../src/io/filesystem/file-system.ts';
import { memoryFileSystem } from '../../../support/memory-file-system.ts';

const root = memoryFileSystem({
  bin: { link: 'usr/bin' },
  usr: { bin: { sh: 'shell' }, lib: { 'os-release': 'ID=debian\n' } },
  etc: { 'os-release': { link: '../usr/lib/os-release' }, mtab: { link: '/proc/self/mounts' }, loop: { link: 'loop' } },
  run: { log: { link: '/var/log' }, up: { link: '/../..' } },
  var: { log: { hidden: 'below the mount' } },
  home: { me: { 'a b': 'blank' } },
});
const log = memoryFileSystem({ syslog: 'line', root: { link: '../../etc/os-release' } });
const files = mountFiles([
  { at: '/', fileSystem: root },
  { at: '/var/log', fileSystem: log },
]);

describe('mountFiles', () => {
  it.each([
    ['/etc/os-release', 'ID=debian\n'],
    ['/bin/sh', 'shell'],
    ['/run/log/syslog', 'line'],
    ['/var/log/root', 'ID=debian\n'],
    ['/run/up/bin/sh', 'shell'],
    ['/home/me/a b', 'blank'],
    ['//usr/./bin/../bin/sh', 'shell'],
    ['/etc/mtab', undefined],
    ['/etc/loop', undefined],
    ['/etc/missing', undefined],
    ['/usr/bin/sh/x', undefined],
    ['/usr', undefined],
    ['/var/log/hidden', undefined],
  ])('reads %s', async (path, text) => {
    expect(await files.read(path)).toBe(text);
  });

  it.each([
    ['/', ['bin', 'etc', 'home', 'run', 'usr', 'var']],
    ['/bin', ['sh']],
    ['/var/log/', ['root', 'syslog']],
    ['/etc/os-release', []],
    ['/missing', []],
  ])('lists %s', async (path, names) => {
    expect(await files.list(path)).toEqual(names);
  });

  it('says what a path leads to', async () => {
    expect(await files.stat('/bin')).toMatchObject({ kind: 'directory' });
    expect(await files.stat('/etc/os-release')).toMatchObject({ kind: 'file', bytes: 10 });
    expect(await files.stat('/etc/mtab')).toBeUndefined();
  });

  it('names the path that cannot be read, and never takes it for a missing one', async () => {
    const broken = mountFiles([
      { at: '/', fileSystem: { ...root, list: () => Promise.reject(new UnreadableError('a damaged block')) } },
    ]);
    const expected = { code: 'KIB_INSPECT', message: '/etc/shadow of the finished disk cannot be read: a damaged block' };
    await expect(broken.read('/etc/shadow')).rejects.toMatchObject(expected);
    await expect(broken.list('/etc/shadow')).rejects.toMatchObject(expected);
    await expect(broken.stat('/etc/shadow')).rejects.toMatchObject(expected);
  });
});
