import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sha256 } from '../../../src/core/index.ts';
import { type DebSpec, makeDebRepository } from '../deb/repository.ts';
import { type DebianSite, showFolder } from '../debian-site.ts';
import { dkmsPackage, TOOLKIT } from '../gpu-packages.ts';
import { ociArchive, programImage } from '../oci.ts';
import type { Signer } from '../openpgp.ts';
import { CRIO_VERSION, crioBundle } from '../releases/crio.ts';
import { staticProgram } from '../static-program.ts';
import { AWS_CLI_VERSION, awsCli, SSM_VERSION, ssmAgent } from './aws.ts';

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
/** Programs of this host that the files are made with. */
export const NEEDED = ['dpkg-deb', 'apt-ftparchive', 'gpg', 'zip', 'xz', 'cc', 'go', KEYRING];
/** A guest that shares its CPUs with others is not run for seconds at times; less would take that for a hang. */
export const WATCHDOG_SECONDS = 60;

interface Given {
  readonly scratch: string;
  readonly site: DebianSite;
  readonly signer: Signer;
  /** Port of a registry of this host. */
  readonly registry: number;
}

/** Fills the site, writes the files that the image names into `scratch`, and returns the recipes as YAML. */
export async function otherRecipes({ scratch, site, signer, registry }: Given): Promise<string> {
  const put = (path: string, bytes: Buffer | string) => {
    site.files.set(path, Buffer.from(bytes));
    return sha256(bytes);
  };
  const repository = async (path: string, ...specs: readonly DebSpec[]) => {
    const folder = join(scratch, path.replaceAll('/', '-'));
    mkdirSync(folder, { recursive: true });
    await makeDebRepository(folder, specs, signer);
    showFolder(site, path, folder);
  };
  const sample = (version: string) => ({ name: 'kib-sample', version, files: { '/usr/bin/kib-sample': '#!/bin/sh\n' } });
  await repository('/ours', sample('1.0-1'), sample('2.0-1'));
  await repository('/nvidia', dkmsPackage('kib-nvidia-dkms', 'nvidia'));
  await repository('/toolkit/stable/deb/amd64', TOOLKIT);
  await repository('/amd', dkmsPackage('amdgpu-dkms', 'amdgpu'));
  const agent = await ssmAgent(scratch);
  const ssm = `/ssm/${SSM_VERSION}/debian_amd64/amazon-ssm-agent.deb`;
  const signature = put(`${ssm}.sig`, await signer.detachBinary(agent));
  const program = await staticProgram();
  writeFileSync(join(scratch, 'ours.asc'), signer.key.armored);
  writeFileSync(join(scratch, 'debian.asc'), armor(readFileSync(KEYRING)));
  writeFileSync(join(scratch, 'solo.tar'), await ociArchive(await programImage('solo', program), 'docker.io/library/solo:1'));
  const host = `10.0.2.2:${registry}`;
  return `
  setup:
    mirror: { main: "${site.url}/debian", security: "${site.url}/debian-security", keep: false }
    proxy: { http: "${site.url}", noProxy: [example.org] }
    repositories:
      - { name: backports, key: { file: debian.asc }, apt: { uri: "${site.url}/debian", suite: trixie-backports, components: [main] } }
      - { name: ours, key: { file: ours.asc }, apt: { uri: "http://localhost/ours", suite: / } }
    removeRepositories: true
    upgrade: all
    packages:
      - tree
      - { name: linux-base, version: '*~bpo13+1' }
      - { name: linux-image-cloud-amd64, version: '*~bpo13+1' }
      - { name: linux-headers-cloud-amd64, version: '*~bpo13+1' }
      - { name: kib-sample, version: '1.0-1', hold: true }
  node: { packages: [libglib2.0-0t64, libyajl2, libseccomp2] }
  providers:
    targets: [aws, gcp]
    outputTimestamps: true
    aws:
      ssmAgent:
        version: ${SSM_VERSION}
        sha256: ${put(ssm, agent)}
        signatureSha256: ${signature}
        key: ${JSON.stringify(signer.key.armored)}
        url: "${site.url}/ssm"
      awsCli:
        version: ${AWS_CLI_VERSION}
        sha256: ${put(`/awscli/awscli-exe-linux-x86_64-${AWS_CLI_VERSION}.zip`, awsCli(scratch))}
        url: "${site.url}/awscli"
  cni: { source: package }
  watchdog: { mode: daemon, seconds: ${WATCHDOG_SECONDS} }
  firewall: { backend: ufw, ports: [8080/tcp], sources: [192.0.2.0/24, '2001:db8::/64'] }
  gpu:
    nvidia:
      repository: { url: "${site.url}/nvidia", key: ours.asc }
      packages: [kib-nvidia-dkms]
      toolkit: { url: "${site.url}/toolkit", key: ours.asc }
    amd: { repository: { url: "${site.url}/amd", key: ours.asc } }
    headers: [linux-headers-cloud-amd64]
  components:
    images: ['org/tool:1', 'registry.k8s.io/pause:3.10.2']
    archives: [{ from: solo.tar, images: ['solo:1'] }]
    files: [{ from: { url: "${site.url}/files/tool", sha256: ${put('/files/tool', '#!/bin/sh\necho 42\n')} }, to: /usr/local/bin/tool }]
    mirrors: { docker.io: '${host}/hub', registry.k8s.io: '${host}/k8s' }
    plainHttp: ['${host}']
  crio:
    url: "${site.url}/crio"
    version: ${CRIO_VERSION}
    sha256: ${put(`/crio/cri-o.amd64.v${CRIO_VERSION}.tar.gz`, await crioBundle())}
    pullProgressTimeout: 10m
    registries: { docker.io: { mirrors: [{ url: 'http://${host}/hub' }] } }
    proxy: { https: 'http://proxy.example.org:3128' }
    settings: { crio: { metrics: { enable_metrics: true, metrics_port: 9537 } } }
`;
}

/** ASCII armour (RFC 9580 §6.2), whose checksum is optional. */
function armor(keyring: Buffer): string {
  const lines = keyring.toString('base64').replace(/.{64}/g, '$&\n').trimEnd();
  return `-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n${lines}\n-----END PGP PUBLIC KEY BLOCK-----\n`;
}
