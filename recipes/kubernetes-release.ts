import { pathToFileURL } from 'node:url';
import type { Arch, KubernetesSpec } from '../src/core/index.ts';

/** URL of the folder that holds a release's files for one architecture, laid out as dl.k8s.io has it, there or in a folder of this host. */
export function releaseFolder(arch: Arch, spec: KubernetesSpec): string {
  return `${releaseRoot(spec)}/release/${spec.version}/bin/linux/${arch}`;
}

export function releaseRoot({ source, url, dir = '/' }: KubernetesSpec): string {
  return (source === 'dir' ? pathToFileURL(dir).href : url).replace(/\/$/, '');
}
