import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sha256 } from '../../../src/core/index.ts';
import type { DebianSite } from '../debian-site.ts';
import { dockerArchive, programImage } from '../oci.ts';
import { CONTAINERD_VERSION, containerdRelease } from '../releases/containerd.ts';
import { CRICTL_VERSION, crictlRelease, runcRelease } from '../releases/crio.ts';
import { GVISOR_VERSION, gvisorRelease } from '../releases/gvisor.ts';

const KUBEVIRT_VERSION = 'v1.6.0';
export const KUBEVIRT_IMAGES = ['operator', 'api', 'controller', 'handler', 'launcher'].map(
  (name) => `quay.io/kubevirt/virt-${name}:${KUBEVIRT_VERSION}`,
);
/** Images that the release has as files, beside its programs. */
export const RELEASE_IMAGES = ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kube-proxy'];
/** What the credential provider answers, and the private registry wants. */
export const LOGIN = { username: 'AWS', password: 'of-this-machine' };
/** Where the credential provider says what it was asked. */
export const ASKED = '/run/kib-credentials-asked';

interface Given {
  readonly scratch: string;
  readonly site: DebianSite;
  readonly kubernetes: { readonly version: string; readonly dir: string };
  readonly program: Buffer;
  /** Ports of registries of this host: one for everybody, one that wants LOGIN. */
  readonly registry: number;
  readonly secure: number;
}

/** Fills the site, writes the files that the image names into `scratch`, and returns the recipes as YAML. */
export async function clusterRecipes({ scratch, site, kubernetes, program, registry, secure }: Given): Promise<string> {
  const put = (path: string, bytes: Buffer | string) => {
    site.files.set(path, Buffer.from(bytes));
    return sha256(bytes);
  };
  const github = (project: string, version: string, file: string, bytes: Buffer) =>
    put(`/${project}/releases/download/v${version}/${file}`, bytes);
  await putRelease(put, kubernetes, program);
  const gvisor = await gvisorRelease();
  put(`/gvisor/${GVISOR_VERSION}/x86_64/runsc`, gvisor.runsc);
  put(`/gvisor/${GVISOR_VERSION}/x86_64/containerd-shim-runsc-v1`, gvisor.shim);
  for (const name of ['cni', 'operator'])
    writeFileSync(join(scratch, `${name}.yaml`), `apiVersion: v1\nkind: Namespace\nmetadata: { name: ${name} }\n`);
  const host = `10.0.2.2:${registry}`;
  const login = `10.0.2.2:${secure}`;
  const containerd = await containerdRelease();
  return `
  containerd:
    github: "${site.url}"
    version: ${CONTAINERD_VERSION}
    sha256: ${github('containerd/containerd', CONTAINERD_VERSION, `containerd-${CONTAINERD_VERSION}-linux-amd64.tar.gz`, containerd)}
    runcSha256: ${github('opencontainers/runc', '1.4.3', 'runc.amd64', await runcRelease())}
    crictl: ${CRICTL_VERSION}
    crictlSha256: ${github('kubernetes-sigs/cri-tools', CRICTL_VERSION, `crictl-v${CRICTL_VERSION}-linux-amd64.tar.gz`, await crictlRelease())}
    limitNofile: 1048576
    imagePullProgressTimeout: 10m
    gvisor: { url: "${site.url}/gvisor", version: '${GVISOR_VERSION}', runscSha512: ${sha512(gvisor.runsc)}, shimSha512: ${sha512(gvisor.shim)} }
    registries:
      docker.io: { mirrors: [{ url: 'http://${host}' }] }
      '${login}': { server: 'http://${login}' }
    proxy: { https: 'http://proxy.example.org:3128', no: [localhost] }
  cni: { source: package }
  prepull:
    kubeadmImages: false
    releaseImages: true
    images: ['org/tool:1']
    mirrors: { docker.io: '${host}' }
    plainHttp: ['${host}']
  credential-provider:
    ecr: { version: 1.35.0, sha256: ${put('/ecr/v1.35.0/linux/amd64/ecr-credential-provider-linux-amd64', provider(login))}, base: "${site.url}/ecr", images: ['${login}'] }
  first-boot: { attempts: 1, timeoutSeconds: 900, verifySeconds: 0 }
  kubevirt:
    kubevirt: { version: ${KUBEVIRT_VERSION}, operator: operator.yaml }
    cni: cni.yaml
    verify: false
    mirrors: { registry.k8s.io: '${host}/registry.k8s.io', quay.io: '${host}/quay.io' }
    plainHttp: ['${host}']
`;
}

/** A release as dl.k8s.io has it: programs, and images in the archives that `docker save` makes, whose names end in the architecture. */
async function putRelease(
  put: (path: string, bytes: Buffer | string) => string,
  { version, dir }: Given['kubernetes'],
  program: Buffer,
): Promise<void> {
  const folder = `release/${version}/bin/linux/amd64`;
  const files = [
    ...['kubeadm', 'kubelet', 'kubectl'].map((name) => [name, readFileSync(join(dir, folder, name))] as const),
    ...(await Promise.all(
      RELEASE_IMAGES.map(async (name) => {
        const image = await programImage(name, program);
        return [`${name}.tar`, await dockerArchive(image, `registry.k8s.io/${name}-amd64:${version}`)] as const;
      }),
    )),
  ];
  for (const [name, bytes] of files) put(`/k8s/${folder}/${name}.sha256`, put(`/k8s/${folder}/${name}`, bytes));
}

/** A program that answers as kubelet's API for such programs wants it (credentialprovider.kubelet.k8s.io/v1). */
function provider(registry: string): string {
  const answer = {
    apiVersion: 'credentialprovider.kubelet.k8s.io/v1',
    kind: 'CredentialProviderResponse',
    cacheKeyType: 'Registry',
    cacheDuration: '1h0m0s',
    auth: { [registry]: LOGIN },
  };
  return `#!/bin/sh\ncat >>${ASKED}\ncat <<'EOF'\n${JSON.stringify(answer)}\nEOF\n`;
}

function sha512(bytes: Buffer): string {
  return createHash('sha512').update(bytes).digest('hex');
}
