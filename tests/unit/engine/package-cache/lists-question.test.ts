import { describe, expect, it } from 'vitest';
import { NoExcerpt, parseQuestion } from '../../../../src/engine/package-cache/lists/question.ts';

const A = 'a'.repeat(64);
const B = 'b'.repeat(64);
const RELEASE = 'example.org_dists_stable_InRelease';
const BASE = 'http://example.org/dists/stable';
const list = (arch: string) =>
  `file example.org_dists_stable_main_binary-${arch}_Packages ${BASE}/main/binary-${arch}/Packages.xz`;
const release = `file ${RELEASE} ${BASE}/InRelease`;
const digest = (path: string, hex = A) => `digest ${RELEASE} ${hex} ${path}`;
const ask = (...lines: string[]) => parseQuestion(`${lines.join('\n')}\n`);

describe('the question of a guest for package lists', () => {
  it('names packages, what is installed, and the lists that apt would read', () => {
    const question = ask(
      'package curl',
      'package libc6:amd64',
      'installed base-files',
      release,
      list('amd64'),
      digest('main/binary-amd64/Packages', B),
      digest('main/binary-amd64/Packages.xz', B),
      digest('main/binary-amd64/Packages.gz'),
      `field ${RELEASE} Acquire-By-Hash yes`,
    );
    expect(question).toEqual({
      packages: ['curl', 'libc6'],
      installed: ['base-files'],
      lists: [
        {
          name: 'example.org_dists_stable_main_binary-amd64_Packages',
          folder: `${BASE}/`,
          path: 'main/binary-amd64/Packages',
          compression: '.gz',
          sha256: A,
          isByHash: true,
        },
      ],
    });
  });

  it('leaves out what apt does: other architectures, those that have no list of their own, what the archive does not have', () => {
    const all = [release, list('amd64'), list('all'), digest('main/binary-amd64/Packages.gz')];
    const paths = (...more: string[]) => ask(...all, ...more).lists.map(({ path }) => path);
    const hasAll = digest('main/binary-all/Packages.gz');
    expect(paths()).toEqual(['main/binary-amd64/Packages']);
    expect(paths(hasAll)).toEqual(['main/binary-amd64/Packages', 'main/binary-all/Packages']);
    expect(paths(hasAll, `field ${RELEASE} Architectures all amd64`)).toHaveLength(2);
    // As Debian's archive of security updates has it: a list that is listed, but there no more.
    expect(paths(hasAll, `field ${RELEASE} Architectures amd64 arm64`)).toHaveLength(1);
    expect(paths(hasAll, `field ${RELEASE} No-Support-for-Architecture-all Packages`)).toHaveLength(1);
  });

  it('follows a list of mirrors, and reads flat repositories', () => {
    const mirrored = ask(
      'file m_InRelease mirror+file:/etc/apt/mirrors/debian.list/dists/stable/InRelease',
      'file m_Packages mirror+file:/etc/apt/mirrors/debian.list/dists/stable/main/binary-amd64/Packages.xz',
      'mirror /etc/apt/mirrors/debian.list https://deb.example.org/debian/',
      `digest m_InRelease ${A} main/binary-amd64/Packages.xz`,
    );
    expect(mirrored.lists).toMatchObject([{ folder: 'https://deb.example.org/debian/dists/stable/', compression: '.xz' }]);
    const flat = ask(
      'file f_InRelease https://pkgs.example.org/deb/InRelease',
      'file f_Packages https://pkgs.example.org/deb/Packages.xz',
      `digest f_InRelease ${A} ./Packages.gz`,
    );
    expect(flat.lists).toMatchObject([{ folder: 'https://pkgs.example.org/deb/', path: 'Packages', isByHash: false }]);
  });

  it.each([
    ['a pattern', ['package lib.*c$'], /lib\.\*c\$ is not the name of a package/],
    ['a task', ['package web-server^'], /web-server\^ is not/],
    ['a release of its own', ['package curl/backports'], /curl\/backports is not/],
    ['a repository that nobody signed', [release], /has no verified InRelease/],
    [
      'a list that belongs to no Release file',
      [release, digest('x/Packages'), 'file p http://other.example/Packages'],
      /nobody vouches/,
    ],
    ['only other compressions', [release, list('amd64'), digest('main/binary-amd64/Packages.bz2')], /neither as gzip nor as xz/],
    ['a line of something else', ['hello'], /"hello" is no part/],
  ])('cannot be answered with %s', (_what, lines, message) => {
    expect(() => ask(...lines)).toThrow(NoExcerpt);
    expect(() => ask(...lines)).toThrow(message);
  });
});
