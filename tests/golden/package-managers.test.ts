import { describe, expect, it } from 'vitest';
import type { PackageManager, PackageSetup } from '../../src/core/index.ts';
import { packageManagers } from '../../src/plan/package-manager.ts';
import { expectGolden } from '../support/golden.ts';
import { scriptsOf } from '../support/plan.ts';
import { syntaxErrors } from '../support/shell.ts';

const KEY = '-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nexample\n-----END PGP PUBLIC KEY BLOCK-----\n';
const repository = {
  name: 'example',
  title: 'Example',
  key: KEY,
  apt: { uri: 'https://packages.example.org/deb/', suite: 'stable', components: ['main'] },
  rpm: { baseurl: 'https://packages.example.org/rpm/', exclude: ['example'] },
};
const other: PackageSetup = {
  baseurls: { baseos: 'https://mirror.example.org/$releasever/BaseOS/' },
  files: [{ path: '/etc/other', text: 'other\n', keep: false }],
  keep: false,
  upgrade: false,
};

const wanted = {
  repositories: [repository],
  packages: [{ name: 'example', version: '1.8.1-4' }, { name: 'jq' }],
  settledLater: ['example.service'],
  upgrade: false,
};

/** Everything that a package manager can be asked, as what it makes of it. No catalog entry has zypper: this is where it is seen. */
function answers(name: PackageManager) {
  const manager = packageManagers[name];
  return {
    sources: manager.sources(wanted),
    transaction: manager.transaction(wanted),
    upgrade: manager.transaction({ repositories: [], packages: [{ name: 'jq' }], settledLater: [], upgrade: true }),
    install: manager.install(['jq']),
    hold: manager.hold(['example']),
    holdNeeds: manager.holdNeeds,
    otherSources: [manager.changeSources(other), manager.restoreSources(other)],
    noSources: [
      { disabled: true, keep: false, upgrade: false },
      { disabled: true, keep: true, upgrade: false },
    ].map((setup) => [manager.changeSources(setup), manager.restoreSources(setup)]),
  };
}

describe.each(Object.keys(packageManagers) as PackageManager[])('%s', (name) => {
  it('does what is written down', () => {
    const text = JSON.stringify(
      answers(name),
      (_key, value: unknown) => (typeof value === 'string' && value.includes('\n') ? value.split('\n') : value),
      2,
    );
    expectGolden(`fixtures/packages/${name}.json`, `${text}\n`);
  });

  it('is shell that every sh can read', () => {
    const { sources, transaction, upgrade, install, hold, otherSources, noSources } = answers(name);
    const actions = [sources, transaction, upgrade, install, hold, ...otherSources, ...noSources.flat()].flat();
    expect(
      scriptsOf(actions)
        .map(({ text }) => syntaxErrors(text))
        .join(''),
    ).toBe('');
  });
});
