import { describe, expect, it } from 'vitest';
import { apt } from '../../../src/plan/apt.ts';
import { scriptsOf } from '../../support/plan.ts';

const repository = {
  name: 'kubernetes',
  title: 'Kubernetes v1.36',
  key: '-----BEGIN PGP PUBLIC KEY BLOCK-----\n',
  apt: { uri: 'https://example.org/deb/', suite: '/', components: [] },
};

describe('apt', () => {
  it('installs everything in one transaction, after one update', () => {
    const scripts = scriptsOf(
      apt.transaction([repository], [{ name: 'curl' }, { name: 'kubelet', version: '1.36.1-*' }], []),
    ).map(String);
    const gets = scripts
      .join('\n')
      .split('\n')
      .filter((line) => line.startsWith('apt-get'));
    expect(gets).toHaveLength(2);
    expect(gets[0]).toMatch(/ update$/);
    expect(gets[1]).toMatch(/ --no-install-recommends install curl 'kubelet=1\.36\.1-\*' \|\| code=\$\?$/);
  });

  it('waits for locks, keeps our configuration files and reads no translations', () => {
    const script = scriptsOf(apt.transaction([], [{ name: 'curl' }], [])).join('\n');
    for (const option of ['DPkg::Lock::Timeout=600', '--force-confold', 'Acquire::Languages=none', 'Error-Mode=any']) {
      expect(script).toContain(option);
    }
  });

  it('lets a key vouch for its repository only', () => {
    expect(apt.transaction([repository], [], [])).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ path: '/etc/apt/keyrings/kubernetes.asc', mode: '0644' }),
        expect.objectContaining({
          path: '/etc/apt/sources.list.d/kubernetes.sources',
          content: {
            kind: 'text',
            text: 'Types: deb\nURIs: https://example.org/deb/\nSuites: /\nSigned-By: /etc/apt/keyrings/kubernetes.asc\n',
          },
        }),
      ]),
    );
  });

  it('writes components where there are any', () => {
    const other = { ...repository, apt: { uri: 'https://example.org/', suite: 'trixie', components: ['main', 'extra'] } };
    const texts = apt
      .transaction([other], [], [])
      .map((action) => (action.kind === 'put' && action.content.kind === 'text' ? action.content.text : ''));
    expect(texts.join('')).toContain('Suites: trixie\nComponents: main extra\nSigned-By');
  });

  it('holds without further packages', () => {
    expect(apt.holdNeeds).toEqual([]);
  });
});
