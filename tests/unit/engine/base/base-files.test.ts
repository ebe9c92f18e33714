import { describe, expect, it } from 'vitest';
import { collectFiles } from '../../../../src/engine/base/base-files.ts';
import { memoryFiles } from '../../../support/memory-files.ts';

describe('collectFiles', () => {
  it('reads what apt and dnf read, and lists of mirrors that they name', async () => {
    const wanted = {
      '/etc/os-release': 'ID=debian\n',
      '/etc/apt/sources.list': 'deb mirror+file:/etc/apt/mirrors/one.list trixie main\n',
      '/etc/apt/sources.list.d/debian.sources': 'Types: deb\nURIs: mirror+file:///etc/apt/mirrors/two.list\nSuites: trixie\n',
      '/etc/apt/mirrors/one.list': 'https://one.example/debian\n',
      '/etc/apt/mirrors/two.list': 'https://two.example/debian\n',
      '/etc/yum.repos.d/rocky.repo': '[baseos]\n',
      '/etc/dnf/vars/contentdir': 'pub/rocky\n',
    };
    const others = {
      '/etc/apt/mirrors/three.list': 'https://three.example/debian\n',
      '/etc/apt/sources.list.d/debian.sources.bak': 'x',
      '/etc/yum.repos.d/rocky.repo.rpmnew': 'x',
      '/etc/passwd': 'x',
    };
    expect(await collectFiles(memoryFiles({ ...wanted, ...others }))).toEqual(wanted);
  });

  it('is content with a guest that has none', async () => {
    expect(await collectFiles(memoryFiles({ '/etc/os-release': 'ID=x\n' }))).toEqual({ '/etc/os-release': 'ID=x\n' });
  });
});
