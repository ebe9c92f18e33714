import { describe, expect, it } from 'vitest';
import { dnf } from '../../../src/plan/dnf.ts';
import { scriptsOf } from '../../support/plan.ts';

const repository = {
  name: 'kubernetes',
  title: 'Kubernetes v1.36',
  key: '-----BEGIN PGP PUBLIC KEY BLOCK-----\n',
  dnf: { baseurl: 'https://example.org/rpm/', exclude: ['kubelet', 'kubeadm'] },
};

describe('dnf', () => {
  it('installs everything in one transaction and lifts the excludes for it', () => {
    const install = scriptsOf(dnf.transaction([repository], [{ name: 'socat' }, { name: 'kubelet', version: '1.36.1' }], [])).at(
      -1,
    );
    expect(String(install)).toBe(
      'dnf --assumeyes --setopt=install_weak_deps=False --setopt=retries=10 --setopt=deltarpm=False --setopt=max_parallel_downloads=10 --disableexcludes=kubernetes install socat kubelet-1.36.1',
    );
  });

  it('takes the key from the image, not from the repository', () => {
    expect(dnf.transaction([repository], [], [])).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ path: '/etc/pki/rpm-gpg/RPM-GPG-KEY-kubernetes' }),
        expect.objectContaining({
          path: '/etc/yum.repos.d/kubernetes.repo',
          content: {
            kind: 'text',
            text: `${[
              '[kubernetes]',
              'name=Kubernetes v1.36',
              'baseurl=https://example.org/rpm/',
              'enabled=1',
              'gpgcheck=1',
              'gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-kubernetes',
              'exclude=kubelet kubeadm',
            ].join('\n')}\n`,
          },
        }),
      ]),
    );
  });

  it('excludes nothing where nothing is asked', () => {
    const plain = { ...repository, dnf: { baseurl: 'https://example.org/rpm/' } };
    const actions = dnf.transaction([plain], [{ name: 'socat' }], []);
    expect(JSON.stringify(actions)).not.toContain('exclude');
  });
});
