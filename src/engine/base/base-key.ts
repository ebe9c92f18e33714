import { type Arch, type BaseSource, canonicalJson, sha256 } from '../../core/index.ts';
import type { Archive } from './archive.ts';
import { IMAGE_FORMAT, type ImageIds, imagePackages } from './debian-image.ts';

export type BootstrapSource = Extract<BaseSource, { kind: 'bootstrap' }>;

/** Digest of what is asked for, whatever the archive holds today: bases with equal ones may stand in for each other. */
export function requestDigest(source: BootstrapSource, arch: Arch): string {
  return sha256(
    canonicalJson({
      format: IMAGE_FORMAT,
      suite: source.suite,
      arch,
      mirror: source.mirror,
      packages: imagePackages(source.suite, arch, source.packages),
    }),
  );
}

/** Names a base: equal keys mean equal bytes, made by equal versions of the host's tools. */
export function baseKey(request: string, archive: Archive): string {
  return sha256(canonicalJson({ request, suites: archive.suites, epoch: archive.epoch }));
}

export function imageIds(key: string): ImageIds {
  return {
    disk: uuid(key, 'disk'),
    rootPartition: uuid(key, 'partition root'),
    espPartition: uuid(key, 'partition esp'),
    biosPartition: uuid(key, 'partition bios'),
    root: uuid(key, 'root'),
    rootHashSeed: uuid(key, 'root hash seed'),
    esp: sha256(`${key} esp`).slice(0, 8),
  };
}

/** A UUID made of a digest: version 8 of RFC 9562 §5.8. */
function uuid(key: string, what: string): string {
  const hex = sha256(`${key} ${what}`);
  const variant = ((Number.parseInt(hex.charAt(16), 16) & 0x3) | 0x8).toString(16);
  return [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `${variant}${hex.slice(17, 20)}`, hex.slice(20, 32)].join(
    '-',
  );
}
