import { describe, expect, it } from 'vitest';
import { dnf } from '../../../src/plan/dnf.ts';
import { scriptsOf } from '../../support/plan.ts';

const repository = {
  name: 'kubernetes',
  title: 'Kubernetes v1.36',
  key: '-----BEGIN PGP PUBLIC KEY BLOCK-----\n',
  rpm: { baseurl: 'https://example.org/rpm/', exclude: ['kubelet', 'kubeadm'] },
};
const nothing = { repositories: [], packages: [], settledLater: [], upgrade: false };

describe('dnf', () => {
  it('installs everything in one transaction and lifts the excludes for it', () => {
    const packages = [{ name: 'socat' }, { name: 'kubelet', version: '1.36.1' }];
    const install = String(scriptsOf(dnf.transaction({ ...nothing, repositories: [repository], packages })).at(-1));
    expect(install).toContain('--disableexcludes=kubernetes install socat kubelet-1.36.1 ||');
    expect(install.match(/ install /g)).toHaveLength(1);
  });

  it('says which versions there are of those that were asked for', () => {
    const script = (version?: string) =>
      String(scriptsOf(dnf.transaction({ ...nothing, packages: [{ name: 'jq', ...(version !== undefined && { version }) }] })));
    expect(script('1.8')).toContain('--showduplicates --disableexcludes=all list jq');
    expect(script()).not.toContain('list jq');
  });

  it('gives up on servers and locks in bounded time', () => {
    const script = String(scriptsOf(dnf.install(['jq'])));
    for (const option of ['--setopt=timeout=20', '--setopt=retries=2', '--setopt=exit_on_lock=True', 'exit 75']) {
      expect(script).toContain(option);
    }
  });

  it('takes the key from the image, not from the repository', () => {
    expect(dnf.sources({ ...nothing, repositories: [repository] })).toEqual(
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
    const plain = { ...repository, rpm: { baseurl: 'https://example.org/rpm/' } };
    const wanted = { ...nothing, repositories: [plain], packages: [{ name: 'socat' }] };
    const actions = [...dnf.sources(wanted), ...dnf.transaction(wanted)];
    expect(JSON.stringify(actions)).not.toContain('exclude');
  });
});
