import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { releaseImageActions, releaseImages } from '../../../recipes/release-images.ts';
import { CONTAINERD_RUNTIME, CRIO_RUNTIME, type Runtime } from '../../../recipes/runtime.ts';
import { kubernetesSchema } from '../../../src/core/index.ts';
import { fakeMachine } from '../../support/fake-commands.ts';

const kubernetes = kubernetesSchema.parse({ version: 'v1.36.1', source: 'http', url: 'https://files.example/k8s/' });

function scriptOf(runtime: Runtime, repository: string): string {
  const [, action] = releaseImageActions({ arch: 'arm64', kubernetes }, runtime, repository);
  return action !== undefined && 'script' in action ? (action.script as { text: string }).text : '';
}

/** A machine with an archive as `docker save` makes it where the script looks for the first one, and what it calls. */
async function machine(name: string) {
  const fake = await fakeMachine({ ctr: '', skopeo: '', rm: '' });
  await fake.put('manifest.json', `[{"Config":"a.json","RepoTags":["${name}"],"Layers":["b/layer.tar"]}]`);
  const archive = join(fake.root, 'image.tar');
  execFileSync('tar', ['-cf', archive, '-C', fake.root, 'manifest.json']);
  const run = (script: string) => fake.run(`set -eu\n${script.replaceAll('/var/tmp/kib-prepull-kube-apiserver.tar', archive)}`);
  return { run, calls: async () => (await fake.calls()).map((call) => call.replaceAll(archive, '<archive>')) };
}

describe('images of a release', () => {
  it('lie beside its programs, with their digests', () => {
    const downloads = releaseImageActions({ arch: 'arm64', kubernetes }, CONTAINERD_RUNTIME, 'registry.k8s.io').flatMap(
      (action) => (action.kind === 'download' ? [action.download] : []),
    );
    const folder = 'https://files.example/k8s/release/v1.36.1/bin/linux/arm64';
    expect(downloads.map(({ url }) => url)).toEqual(
      ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kube-proxy'].map((name) => `${folder}/${name}.tar`),
    );
    expect(downloads[0]).toMatchObject({ checksumUrl: `${folder}/kube-apiserver.tar.sha256` });
  });

  it('get the names that kubeadm looks for', async () => {
    const name = 'registry.example/k8s/kube-apiserver:v1.36.1';
    expect(releaseImages(kubernetes, 'registry.example/k8s')[0]).toBe(name);
    const guest = await machine('registry.k8s.io/kube-apiserver-arm64:v1.36.1');
    const { status, output } = guest.run(scriptOf(CONTAINERD_RUNTIME, 'registry.example/k8s'));
    expect(status, output).toBe(0);
    expect(await guest.calls()).toEqual([
      'ctr --namespace k8s.io images import <archive>',
      `ctr --namespace k8s.io images tag --force registry.k8s.io/kube-apiserver-arm64:v1.36.1 ${name}`,
      'ctr --namespace k8s.io images rm registry.k8s.io/kube-apiserver-arm64:v1.36.1',
      'rm -f <archive>',
    ]);
  });

  it('keep one that is right already', async () => {
    const guest = await machine('registry.k8s.io/kube-apiserver:v1.36.1');
    expect(guest.run(scriptOf(CONTAINERD_RUNTIME, 'registry.k8s.io')).status).toBe(0);
    expect(await guest.calls()).toEqual(['ctr --namespace k8s.io images import <archive>', 'rm -f <archive>']);
  });

  it('go into CRI-O’s store under that name', async () => {
    const guest = await machine('registry.k8s.io/kube-apiserver-arm64:v1.36.1');
    expect(guest.run(scriptOf(CRIO_RUNTIME, 'registry.k8s.io')).status).toBe(0);
    expect((await guest.calls())[0]).toBe(
      'skopeo copy --quiet docker-archive:<archive> containers-storage:registry.k8s.io/kube-apiserver:v1.36.1',
    );
  });
});
