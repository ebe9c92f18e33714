import { describe, it } from 'vitest';
import type { ArtifactSubject } from '../../src/core/index.ts';
import { exporters } from '../../src/export/index.ts';
import type { OvaOptions } from '../../src/export/ova.ts';
import { ovaHead } from '../../src/export/ova-head.ts';
import { expectGolden } from '../support/golden.ts';
import { testSubject } from '../support/subject.ts';

const VMDK = { bytes: 734_003_200, populatedBytes: 1_610_612_736, sha256: 'ab'.repeat(32) };
const CAPACITY = 20 * 2 ** 30;

function options(given: object): OvaOptions {
  const exporter = exporters.find(({ format }) => format === 'ova');
  return exporter?.options.parse(given) as OvaOptions;
}

const ROCKY = testSubject({
  name: 'rocky10-kube-v1.36.1',
  os: {
    title: 'Rocky Linux 10',
    family: 'rhel',
    version: '10',
    ovf: { id: 80, type: 'rockylinux_64Guest', description: 'Rocky Linux (64-bit)' },
  },
});

const CASES: readonly (readonly [name: string, subject: ArtifactSubject, options: object])[] = [
  ['debian13-uefi', testSubject(), {}],
  ['rocky10-uefi', ROCKY, {}],
  [
    'bios-without-kubernetes',
    testSubject({ name: 'plain', machine: { ...testSubject().machine, firmware: 'bios' }, properties: {} }),
    { cpus: 8, memory: '16GiB', hardwareVersion: 19 },
  ],
  [
    'hostile-text',
    testSubject({ name: 'a&b', os: { title: '<Debian> & "friends"' }, properties: { B: 'two\nlines\t"<&>\'', A: 'ünïcödé 🐧' } }),
    { eula: 'Be nice.\n\n  <b>Really</b> & truly.' },
  ],
];

describe('OVF descriptors', () => {
  it.each(CASES)('%s', (name, subject, given) => {
    const { ovf, manifest } = ovaHead(subject, options(given), CAPACITY, VMDK);
    expectGolden(`ovf/${name}.ovf`, ovf);
    expectGolden(`ovf/${name}.mf`, manifest);
  });
});
