import { describe, expect, it } from 'vitest';
import { esxi } from '../../../drivers/esxi/driver.ts';
import { vmware } from '../../../drivers/vmware/driver.ts';
import { vsphere } from '../../../drivers/vsphere/driver.ts';
import { catalog } from '../../../src/catalog/index.ts';
import { configured } from '../../support/configured.ts';
import { testRegistry } from '../../support/registry.ts';

const registry = { ...testRegistry, catalog, drivers: [vmware, esxi, vsphere] };
const PLACES = {
  vmware: {},
  esxi: { host: 'esx', hostKey: `ssh-ed25519 ${'A'.repeat(68)}`, datastore: 'one' },
  vsphere: { server: 'vc', username: 'kib', password: { env: 'SECRET' }, datacenter: 'dc', datastore: 'one', library: 'kib' },
};

/** What is said of an image whose driver gives the seed in some way; empty when it is taken. */
async function said(image: string, name: keyof typeof PLACES, seed: string, base: Record<string, unknown> = {}): Promise<string> {
  const spec = { image, driver: { name, ...PLACES[name], seed }, ...base };
  const given = { targets: ['image.yaml'], files: { 'image.yaml': JSON.stringify(spec) }, registry };
  return configured(given).then(
    () => '',
    (error: Error) => error.message,
  );
}

describe('a base whose cloud-init has no datasource for VMware', () => {
  it.each([
    ['vmware', 'guestinfo', 'driver.seed: cdrom'],
    ['esxi', 'guestinfo', 'driver.seed: cdrom'],
    ['vsphere', 'customization', 'driver.seed: iso'],
  ] as const)('gets no seed from driver %s by %s', async (driver, seed, hint) => {
    for (const image of ['centos7', 'amazonlinux2']) {
      const text = await said(image, driver, seed);
      expect(text).toContain(`${seed} does not reach the base, whose cloud-init has no datasource for VMware`);
      expect(text).toContain(hint);
    }
    expect(await said('rocky9', driver, seed)).toBe('');
  });

  it.each([
    ['vmware', 'cdrom'],
    ['esxi', 'cdrom'],
    ['vsphere', 'iso'],
    ['vsphere', 'auto'],
  ] as const)('gets one from driver %s by %s', async (driver, seed) => {
    expect(await said('centos7', driver, seed)).toBe('');
  });

  it('may be another one in a base that somebody made', async () => {
    const base = { base: { url: 'https://example.org/centos7.qcow2', sha256: 'a'.repeat(64) } };
    expect(await said('centos7', 'vmware', 'guestinfo', base)).toBe('');
  });
});
