import type { ArtifactSubject, Format } from '../core/index.ts';

/** `debian13-kube-v1.36.1.qcow2`. */
export function artifactName(subject: Pick<ArtifactSubject, 'name'>, format: Format): string {
  return `${subject.name}.${format}`;
}
