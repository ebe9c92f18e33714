import type { ArtifactSubject, Format } from '../core/index.ts';

/** `debian13-kube-v1.36.1`, the name image-builder's users know; without Kubernetes just the image's name. */
export function imageName(name: string, kubernetesVersion: string | undefined): string {
  return kubernetesVersion === undefined ? name : `${name}-kube-${kubernetesVersion}`;
}

/** `debian13-kube-v1.36.1.qcow2`. */
export function artifactName(subject: Pick<ArtifactSubject, 'name'>, format: Format): string {
  return `${subject.name}.${format}`;
}
