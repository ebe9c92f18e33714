import { describe, expect, it } from 'vitest';
import type { BaseImage, BuildPlan } from '../../../src/core/index.ts';
import { type ManifestInput, manifest, manifestText } from '../../../src/export/manifest.ts';
import { artifactName } from '../../../src/export/names.ts';
import { testSubject } from '../../support/subject.ts';

const subject = testSubject();
const key = { fingerprint: 'A'.repeat(40), owner: 'Debian', armored: '-----BEGIN PGP PUBLIC KEY BLOCK-----' };
const base: BaseImage = {
  source: {
    kind: 'cloud-image',
    url: 'https://cloud.debian.org/x.qcow2',
    format: 'qcow2',
    checksum: {
      kind: 'file',
      url: 'https://cloud.debian.org/SHA512SUMS',
      algorithm: 'sha512',
      signature: { kind: 'clearsigned', key },
    },
  },
  path: '/home/me/.cache/base',
  format: 'qcow2',
  sha256: 'ef'.repeat(32),
  bytes: 42,
  facts: { serial: '20261001' },
};
const plan: BuildPlan = {
  v: 1,
  name: subject.name,
  os: subject.os,
  base: base.source,
  driver: { name: 'qemu', options: {}, preview: [] },
  machine: subject.machine,
  recipes: [{ name: 'node', params: {} }],
  layers: [{ name: 'node', key: 'k1', inputs: [], actions: [] }],
  repositories: [],
  checks: [],
  seal: [],
  exports: [],
  requirements: [],
  properties: subject.properties,
};
const input: ManifestInput = {
  buildId: 'b1',
  key: 'k',
  images: [],
  isVerified: true,
  createdMs: Date.UTC(2026, 10, 20),
  tools: { 'kib-native': '0.1.0', node: 'v20.19.0', qemu: '7.2.18' },
  spec: { image: 'debian13' },
  plan,
  base,
  requirements: [{ url: 'https://dl.k8s.io/x', sha256: 'aa', checksumUrl: undefined, why: 'kubernetes: kubelet' }],
  packages: [{ name: 'containerd', version: '2.1.9', arch: 'amd64' }],
  phases: [{ kind: 'boot', name: 'wait for the guest', status: 'ok', ms: 12 }],
  artifacts: [
    {
      format: 'raw',
      path: '/out/debian13-kube-v1.36.1.raw',
      bytes: 1,
      sha256: 'bb',
      disk: { format: 'raw', offset: 0, bytes: 1 },
    },
  ],
  checks: [{ name: 'inspect/no-passwords', title: 'no passwords', ok: true, detail: '20 accounts', ms: 1 }],
};

describe('manifest', () => {
  const text = manifestText(manifest(input));
  const parsed = JSON.parse(text);

  it('names what went in by digest', () => {
    expect(parsed.inputs.base).toMatchObject({ sha256: base.sha256, facts: { serial: '20261001' } });
    expect(parsed.inputs.requirements).toEqual([{ url: 'https://dl.k8s.io/x', sha256: 'aa', why: 'kubernetes: kubelet' }]);
    expect(parsed.inputs.layers).toEqual([{ name: 'node', key: 'k1' }]);
    expect(parsed).toMatchObject({
      created: '2026-11-20T00:00:00.000Z',
      packages: input.packages,
      phases: input.phases,
      checks: input.checks,
    });
  });

  it('names artifacts relative to itself, so that the folder can move', () => {
    expect(parsed.artifacts).toEqual([
      { file: 'debian13-kube-v1.36.1.raw', format: 'raw', bytes: 1, sha256: 'bb', disk: { format: 'raw', offset: 0, bytes: 1 } },
    ]);
    expect(text).not.toContain('/out/');
  });

  it('has neither key blocks nor paths of this host', () => {
    expect(text).not.toContain('PGP');
    expect(text).toContain(key.fingerprint);
    expect(text).not.toContain('/home/me');
  });

  it('has no login of a server', () => {
    const spec = { kubernetes: { url: 'https://me:sesame@mirror.example/k8s' }, base: { url: 'https://b/c?key=sesame' } };
    const shown = JSON.parse(manifestText(manifest({ ...input, spec })));
    expect(shown.inputs.spec).toEqual({
      kubernetes: { url: 'https://***@mirror.example/k8s' },
      base: { url: 'https://b/c?***' },
    });
  });
});

it('names artifacts after image and format', () => {
  expect(artifactName(subject, 'qcow2')).toBe('debian13-kube-v1.36.1.qcow2');
});
