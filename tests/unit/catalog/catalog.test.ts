import { describe, expect, it } from 'vitest';
import { catalog, findOs } from '../../../src/catalog/index.ts';
import type { BaseSource, Checksum } from '../../../src/core/index.ts';
import { fingerprintOf } from '../../support/openpgp.ts';

type CloudImage = Extract<BaseSource, { kind: 'cloud-image' }>;

const cloudImages = catalog.flatMap((os) =>
  Object.entries(os.bases).flatMap(([arch, sources]) =>
    sources.flatMap((source) => (source.kind === 'cloud-image' ? [[`${os.id} ${arch}`, source, arch] as const] : [])),
  ),
);
const HEX_LENGTH = { sha256: 64, sha512: 128 };

describe('catalog', () => {
  it('has unique names and finds them', () => {
    expect(new Set(catalog.map((os) => os.id)).size).toBe(catalog.length);
    for (const os of catalog) expect(findOs(os.id)).toBe(os);
    expect(findOs('debian')).toBeUndefined();
  });

  it.each(catalog.map((os) => [os.id, os] as const))('%s is complete', (_id, os) => {
    expect(Object.keys(os.bases).sort()).toEqual(['amd64', 'arm64']);
    // The only firmware there is on arm64 must also be the default.
    expect(os.firmware[0]).toBe('uefi');
    expect(os.packageManager).toBe(os.family === 'debian' ? 'apt' : 'dnf');
    expect(os.sshUnit).toMatch(/^sshd?\.service$/);
  });

  it('offers the official image first, and where the family has a bootstrapper, that too', () => {
    const kinds = catalog.map((os) => [os.id, os.bases.amd64?.map((source) => source.kind).join(' ')]);
    expect(Object.fromEntries(kinds)).toEqual({
      debian12: 'cloud-image bootstrap',
      debian13: 'cloud-image bootstrap',
      rocky10: 'cloud-image',
      ubuntu2404: 'cloud-image',
    });
  });

  it.each(cloudImages)('%s comes over https, for the right machine', (_name, source, arch) => {
    for (const url of urlsOf(source)) expect(url).toMatch(/^https:\/\/[a-z.-]+\/[\w./-]+$/);
    expect(source.url).toMatch(arch === 'amd64' ? /amd64|x86_64/ : /arm64|aarch64/);
  });

  it.each(cloudImages)('%s is vouched for by a pinned digest or a pinned key', (_name, source) => {
    expect(isVouchedFor(source.checksum)).toBe(true);
  });
});

function urlsOf({ url, checksum }: CloudImage): string[] {
  if (checksum.kind === 'pinned') return [url];
  const { signature } = checksum;
  return [url, checksum.url, ...(signature?.kind === 'detached' ? [signature.url] : [])];
}

function isVouchedFor(checksum: Checksum): boolean {
  if (checksum.kind === 'pinned') {
    const { algorithm, hex } = checksum.digest;
    return /^[0-9a-f]+$/.test(hex) && hex.length === HEX_LENGTH[algorithm];
  }
  const key = checksum.signature?.key;
  return key !== undefined && /^[0-9A-F]{40}$/.test(key.fingerprint) && fingerprintOf(key.armored) === key.fingerprint;
}
