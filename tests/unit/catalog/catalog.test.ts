import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { catalog, findOs } from '../../../src/catalog/index.ts';
import type { Arch, BaseSource, ChecksumList, Digest, OsDefinition, PinnedKey } from '../../../src/core/index.ts';
import { fingerprintOf } from '../../support/openpgp.ts';

type CloudImage = Extract<BaseSource, { kind: 'cloud-image' }>;

const systems = catalog.map((os) => [os.id, os] as const);
const sources = catalog.flatMap((os) =>
  Object.entries(os.bases).flatMap(([arch, offered]) => offered.map((source) => ({ os, arch: arch as Arch, source }))),
);
const cloudImages = sources.flatMap(({ os, arch, source }) =>
  source.kind === 'cloud-image' ? [[`${os.id} ${arch} ${source.checksum.kind}`, source, arch] as const] : [],
);
const lists = cloudImages.flatMap(([name, { checksum }]) => {
  const list = checksum.kind === 'pinned' ? checksum.list : checksum;
  return list === undefined ? [] : [[name, list] as const];
});
const HEX_LENGTH = { sha256: 64, sha512: 128 };

describe('names', () => {
  const names = catalog.flatMap(({ id, aliases }) => [id, ...aliases]);

  it('are unique, aliases too, and find their entry', () => {
    expect(new Set(names).size).toBe(names.length);
    for (const os of catalog) expect(findOs(os.id)).toBe(os);
    expect(findOs('debian')).toBeUndefined();
  });

  it('can be file names and end in the release', () => {
    for (const name of names) expect(name).toMatch(/^[a-z][a-z0-9-]*\d$/);
  });

  it('have a file each', () => {
    const files = readdirSync(new URL('../../../src/catalog', import.meta.url)).map((name) => name.replace(/\.ts$/, ''));
    const others = ['index', 'keys', 'sources', 'vendors'];
    expect(catalog.map(({ id }) => id).sort()).toEqual(files.filter((name) => !others.includes(name)).sort());
    expect(catalog.length).toBe(22);
  });
});

describe.each(systems)('%s', (_id, os) => {
  it('says what it is', () => {
    const managers = { debian: ['apt'], rhel: ['dnf', 'yum'], photon: ['tdnf'] };
    expect(managers[os.family]).toContain(os.packageManager);
    expect(os.sshUnit).toBe(os.family === 'debian' ? 'ssh.service' : 'sshd.service');
    expect(os.title).toContain(os.version);
    expect(os.codename === undefined).toBe(os.family !== 'debian');
    expect(new Set(os.firmware).size).toBe(os.firmware.length);
    expect(os.firmware.length).toBeGreaterThan(0);
  });

  it('has an end of life that is a day', () => {
    const { endOfLife } = os;
    if (endOfLife === undefined) return expect(os.id).toBe('photon5');
    expect(new Date(endOfLife).toISOString().slice(0, 10)).toBe(endOfLife);
  });

  it('starts somewhere, or says where to get a base', () => {
    const kinds = new Set(Object.values(os.bases).flatMap((offered) => offered.map(({ kind }) => kind)));
    expect(kinds.has('cloud-image')).toBe(os.bring === undefined);
  });

  it('has the same bases for every architecture, up to what its project publishes', () => {
    const [amd64, arm64] = [wordsOf(os, 'amd64'), wordsOf(os, 'arm64')];
    const unequal = { oraclelinux9: ['pinned ami', 'pinned'], centos7: ['pinned latest ami', 'latest ami'] } as const;
    expect([amd64, arm64]).toEqual(os.id in unequal ? unequal[os.id as keyof typeof unequal] : [amd64, amd64]);
  });

  it('has OVF names that OVF and vSphere know', () => {
    // CIM_OperatingSystem.OsType, DMTF CIM schema 2.54: Linux, RHEL, Ubuntu, Debian, Linux, CentOS and Oracle Linux, all of 64 bits.
    expect([36, 80, 94, 96, 101, 107, 109]).toContain(os.ovf.id);
    expect(os.ovf.type).toMatch(/^[a-zA-Z]+\d*_?64Guest$/);
  });
});

describe('bases', () => {
  it('begin with a pinned image where its digest is known', () => {
    const first = catalog.filter((os) => Object.keys(os.bases).length > 0).map((os) => [os.id, wordsOf(os, 'amd64')] as const);
    const others = first.filter(([, words]) => !/^pinned latest( bootstrap)? ami$/.test(words));
    expect(Object.fromEntries(others)).toEqual({
      ubuntu1804: 'latest ami',
      rhel9: 'ami',
      rhel10: 'ami',
      oraclelinux9: 'pinned ami',
      amazonlinux2: 'latest ami',
    });
  });

  it.each(cloudImages)('%s comes over https, for the right machine', (_name, source, arch) => {
    for (const url of urlsOf(source)) {
      expect(url).toMatch(/^https:\/\/[a-z.-]+\/[\w./*-]+$/);
      expect(url.split('/').slice(0, -1).join('/')).not.toContain('*');
    }
    expect(source.url).toMatch(arch === 'amd64' ? /amd64|x86_64/ : /arm64|aarch64/);
    expect(source.url).not.toMatch(arch === 'amd64' ? /arm64|aarch64/ : /amd64|x86_64/);
  });

  it.each(cloudImages)('%s leaves no name open that is pinned, and no file unpinned that is archived', (_name, source) => {
    if (source.checksum.kind === 'file') return expect(source.archives).toBeUndefined();
    expect(source.url).not.toContain('*');
    expect(isDigest(source.checksum.digest)).toBe(true);
  });

  it('have digests of their own', () => {
    const digests = cloudImages.flatMap(([, { checksum }]) => (checksum.kind === 'pinned' ? [checksum.digest.hex] : []));
    expect(new Set(digests).size).toBe(digests.length);
  });

  it.each(lists)('%s: its list is beside the image, and signed unless its distributor signs nothing', (_name, list) => {
    expect(list.signature === undefined).toBe(
      /cloud\.debian\.org|pub\/rocky\/9|cloud\.centos\.org\/centos\/\d+-stream|amazonlinux\.com/.test(list.url),
    );
    const key = keyOf(list);
    if (key === undefined) return;
    expect(key.fingerprint).toMatch(/^[0-9A-F]{40}$/);
    expect(fingerprintOf(key.armored)).toBe(key.fingerprint);
    expect(key.owner).toMatch(/<\S+@\S+>$/);
  });

  it('of Amazon name an owner and the architecture', () => {
    for (const { arch, source } of sources) {
      if (source.kind !== 'ami') continue;
      const { ami } = source;
      if ('owner' in ami) expect(ami.owner).toMatch(/^(amazon|\d{12})$/);
      const text = Object.values(ami).join(' ');
      expect(text).toMatch(arch === 'amd64' ? /amd64|x86_64/ : /arm64|aarch64/);
    }
  });
});

function wordsOf(os: OsDefinition, arch: Arch): string {
  const words = os.bases[arch]?.map((source) =>
    source.kind === 'cloud-image' ? { pinned: 'pinned', file: 'latest' }[source.checksum.kind] : source.kind,
  );
  return words?.join(' ') ?? '';
}

function urlsOf({ url, checksum, archives = [] }: CloudImage): string[] {
  const list = checksum.kind === 'pinned' ? checksum.list : checksum;
  const signature = list?.signature;
  return [
    url,
    ...archives,
    ...(list === undefined ? [] : [list.url]),
    ...(signature?.kind === 'detached' ? [signature.url] : []),
  ];
}

function isDigest({ algorithm, hex }: Digest): boolean {
  return /^[0-9a-f]+$/.test(hex) && hex.length === HEX_LENGTH[algorithm];
}

function keyOf(list: ChecksumList): PinnedKey | undefined {
  return list.signature?.key;
}
