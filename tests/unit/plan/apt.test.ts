import { describe, expect, it } from 'vitest';
import { apt } from '../../../src/plan/apt.ts';
import type { Transaction } from '../../../src/plan/package-manager.ts';
import { scriptsOf } from '../../support/plan.ts';

const repository = {
  name: 'kubernetes',
  title: 'Kubernetes v1.36',
  key: '-----BEGIN PGP PUBLIC KEY BLOCK-----\n',
  apt: { uri: 'https://example.org/deb/', suite: '/', components: [] },
};

function everything(wanted: Partial<Transaction>) {
  const all = { repositories: [], packages: [], settledLater: [], upgrade: false, ...wanted };
  return [...apt.sources(all), ...apt.transaction(all)];
}

describe('apt', () => {
  it('installs everything in one transaction, after one update', () => {
    const packages = [{ name: 'curl' }, { name: 'kubelet', version: '1.36.1-*' }];
    const scripts = scriptsOf(everything({ repositories: [repository], packages })).map(String);
    const gets = scripts
      .join('\n')
      .split('\n')
      .filter((line) => /^(kib_install\(\) \{ )?apt-get/.test(line));
    expect(gets).toHaveLength(2);
    expect(gets[0]).toMatch(/ update$/);
    expect(gets[1]).toMatch(/ --no-install-recommends install --allow-downgrades curl 'kubelet=1\.36\.1-\*'; \}$/);
  });

  it('upgrades in the same transaction', () => {
    const scripts = scriptsOf(everything({ packages: [{ name: 'curl' }], upgrade: true }));
    expect(String(scripts.at(-1))).toMatch(/ --no-install-recommends dist-upgrade curl; \}\n/);
    expect(String(scripts.at(-1))).not.toContain(' install curl');
  });

  it('waits for locks, keeps our configuration files and reads no translations', () => {
    const script = scriptsOf(everything({ packages: [{ name: 'curl' }] })).join('\n');
    for (const option of ['DPkg::Lock::Timeout=300', '--force-confold', 'Acquire::Languages=none', 'Error-Mode=any']) {
      expect(script).toContain(option);
    }
  });

  it('lets a key vouch for its repository only', () => {
    expect(everything({ repositories: [repository] })).toEqual(
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
    const texts = everything({ repositories: [other] }).map((action) =>
      action.kind === 'put' && action.content.kind === 'text' ? action.content.text : '',
    );
    expect(texts.join('')).toContain('Suites: trixie\nComponents: main extra\nSigned-By');
  });

  it('holds without further packages', () => {
    expect(apt.holdNeeds).toEqual([]);
  });
});
