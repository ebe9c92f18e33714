import { describe, expect, it } from 'vitest';
import type { PackageSetup } from '../../../../src/core/index.ts';
import { packageSources } from '../../../../src/engine/repositories/sources.ts';
import { planBuild } from '../../../../src/plan/planner.ts';
import { resolvedImage } from '../../../support/plan.ts';

/** Where packages come from when a recipe changes the repositories of a base. */
function mirrorsOf(os: string, files: Readonly<Record<string, string>>, setup: Partial<PackageSetup>) {
  const plan = planBuild(resolvedImage(os, { without: ['kubernetes'] }));
  const packageSetup = { keep: true, upgrade: false, ...setup };
  const { sources } = packageSources({ ...plan, repositories: [], packageSetup }, new Map(Object.entries(files)));
  return sources.map(({ mirrors }) => mirrors);
}

const debian = { '/etc/apt/sources.list': 'deb http://dead.example.org/debian trixie main\n' };
const rocky = {
  '/etc/os-release': 'ID=rocky\nVERSION_ID="9.6"\n',
  '/etc/yum.repos.d/rocky.repo': `[baseos]
mirrorlist=https://dead.example.org/mirrorlist?repo=baseos
enabled=1

[extras]
baseurl=http://example.org/extras/
`,
};

describe('watched package sources', () => {
  it('are the mirror in place of those of a Debian base', () => {
    const text = 'Types: deb\nURIs: http://mirror.example.org/debian\nSuites: trixie\nComponents: main\n';
    const file = { path: '/etc/apt/sources.list.d/mirror.sources', text, keep: true };
    expect(mirrorsOf('debian13', debian, { disabled: true, files: [file] })).toEqual([['http://mirror.example.org/debian']]);
    expect(mirrorsOf('debian13', debian, { files: [file] })).toHaveLength(2);
    expect(mirrorsOf('debian13', debian, { disabled: true })).toEqual([]);
  });

  it('are other addresses of repositories that an rpm base has', () => {
    const baseurls = { baseos: 'http://mirror.example.org/$releasever/BaseOS/$basearch/' };
    expect(mirrorsOf('rocky9', rocky, { baseurls })).toEqual([
      ['http://mirror.example.org/9/BaseOS/x86_64/'],
      ['http://example.org/extras/'],
    ]);
    expect(mirrorsOf('rocky9', rocky, { disabled: true })).toEqual([]);
  });
});
