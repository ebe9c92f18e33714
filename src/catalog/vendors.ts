import type { Arch, BaseSource, ChecksumList, PinnedKey } from '../core/index.ts';
import { ubuntuCloudImageKey } from './keys/ubuntu-cloud-image.ts';
import { ami, latest, MACHINE, onBoth, type PerArch, pinned } from './sources.ts';

interface Release {
  /** `9`, `24.04` */
  readonly version: string;
  /** Names the dated image: `9.8-20260525.0`, `20260926`. */
  readonly build: string;
  readonly digests: PerArch<string>;
}

/**
 * cloud-images.ubuntu.com: SHA256SUMS is signed in every folder, dated ones too, which go after some months
 * (https://ubuntu.com/docs/public-images/). Machine images: https://documentation.ubuntu.com/aws/.
 */
export function ubuntuBases({ version, codename, build, digests }: Release & { readonly codename: string }) {
  return onBoth((arch) => [
    pinned(...ubuntuImage(version, codename, `release-${build}`, arch, digests[arch])),
    latest(...ubuntuLatest(version, codename, 'release', arch)),
    ubuntuAmi(version, codename, arch),
  ]);
}

/** Image and signed list of one folder of cloud-images.ubuntu.com: `release`, `release-20230607`. */
export function ubuntuLatest(version: string, codename: string, folder: string, arch: Arch): [string, ChecksumList] {
  const url = `https://cloud-images.ubuntu.com/releases/${codename}/${folder}`;
  const signature = { kind: 'detached', url: `${url}/SHA256SUMS.gpg`, key: ubuntuCloudImageKey } as const;
  return [`${url}/ubuntu-${version}-server-cloudimg-${arch}.img`, { url: `${url}/SHA256SUMS`, algorithm: 'sha256', signature }];
}

function ubuntuImage(version: string, codename: string, folder: string, arch: Arch, hex: string): [string, string, ChecksumList] {
  const [url, list] = ubuntuLatest(version, codename, folder, arch);
  return [url, hex, list];
}

/** Canonical's account; the names are those of image-builder's packer/ami/ubuntu-*.json. */
export function ubuntuAmi(version: string, codename: string, arch: Arch): BaseSource {
  return ami({ owner: '099720109477', name: `ubuntu/images/*ubuntu-${codename}-${version}-${arch}-server-*` });
}

/**
 * cloud.debian.org: nothing is signed (its own page says so), and a dated folder goes after some months. The digests were published over
 * HTTPS as SHA512SUMS of that folder. Machine images: https://wiki.debian.org/Cloud/AmazonEC2Image.
 */
export function debianBases({ version, codename, build, digests }: Release & { readonly codename: string }) {
  const root = `https://cloud.debian.org/images/cloud/${codename}`;
  const list = (folder: string): ChecksumList => ({ url: `${root}/${folder}/SHA512SUMS`, algorithm: 'sha512' });
  return onBoth((arch) => {
    const name = `debian-${version}-genericcloud-${arch}`;
    return [
      pinned(`${root}/${build}/${name}-${build}.qcow2`, digests[arch], list(build)),
      latest(`${root}/latest/${name}.qcow2`, list('latest')),
      { kind: 'bootstrap', suite: codename, packages: [] },
      ami({ owner: '136693071363', name: `debian-${version}-${arch}-*` }),
    ];
  });
}

/**
 * dl.rockylinux.org: a point release moves to the vault when the next one is out. Rocky Linux 10 signs its lists, 9 does not
 * (README of github.com/rocky-linux/checksums).
 */
export function rockyBases({ version, build, digests, key }: Release & { readonly key?: PinnedKey }) {
  const point = build.split('-')[0] ?? version;
  const list = (folder: string): ChecksumList => ({
    url: `${folder}/CHECKSUM`,
    algorithm: 'sha256',
    ...(key === undefined ? {} : { signature: { kind: 'detached', url: `${folder}/CHECKSUM.asc`, key } }),
  });
  return onBoth((arch) => {
    const machine = MACHINE[arch];
    const folder = (tree: string) => `https://dl.rockylinux.org/${tree}/images/${machine}`;
    const name = `Rocky-${version}-GenericCloud-Base`;
    const file = `${name}-${build}.${machine}.qcow2`;
    const [current, newest] = [folder(`pub/rocky/${point}`), folder(`pub/rocky/${version}`)];
    return [
      pinned(`${current}/${file}`, digests[arch], list(current), [`${folder(`vault/rocky/${point}`)}/${file}`]),
      latest(`${newest}/${name}.latest.${machine}.qcow2`, list(newest)),
      ami({ owner: '792107900819', name: `Rocky-${version}-EC2-Base-${version}.*.${machine}` }),
    ];
  });
}

/** repo.almalinux.org: lists are signed; they name dated files alone, not the `latest` links (https://wiki.almalinux.org/cloud/). */
export function almaBases({ version, build, digests, key }: Release & { readonly key: PinnedKey }) {
  const point = build.split('-')[0] ?? version;
  return onBoth((arch) => {
    const machine = MACHINE[arch];
    const folder = (release: string) => `https://repo.almalinux.org/almalinux/${release}/cloud/${machine}/images`;
    const list = (release: string): ChecksumList => ({
      url: `${folder(release)}/CHECKSUM`,
      algorithm: 'sha256',
      signature: { kind: 'detached', url: `${folder(release)}/CHECKSUM.asc`, key },
    });
    const name = `AlmaLinux-${version}-GenericCloud`;
    return [
      pinned(`${folder(point)}/${name}-${build}.${machine}.qcow2`, digests[arch], list(point)),
      latest(`${folder(version)}/${name}-${version}.*.${machine}.qcow2`, list(version)),
      ami({ owner: '764336703387', name: `AlmaLinux OS ${version}.* ${machine}` }),
    ];
  });
}

/** cloud.centos.org: an unsigned list per file. Machine images: https://www.centos.org/download/aws-images/. */
export function streamBases({ version, build, digests }: Release) {
  return onBoth((arch) => {
    const machine = MACHINE[arch];
    const image = (name: string) =>
      `https://cloud.centos.org/centos/${version}-stream/${machine}/images/CentOS-Stream-GenericCloud-${version}-${name}.${machine}.qcow2`;
    const list = (url: string): ChecksumList => ({ url: `${url}.SHA256SUM`, algorithm: 'sha256' });
    const [dated, newest] = [image(build), image('latest')];
    return [
      pinned(dated, digests[arch], list(dated)),
      latest(newest, list(newest)),
      ami({ owner: '125523088429', name: `CentOS Stream ${version} ${machine} *` }),
    ];
  });
}

/** Red Hat's account; `Hourly2` images bill the subscription with the machine. Nothing else may be downloaded without an account. */
export function redHatBases(version: string) {
  const suffix = { amd64: 'x86_64', arm64: 'arm64' } as const;
  return onBoth((arch) => [ami({ owner: '309956199498', name: `RHEL-${version}.*_HVM-*-${suffix[arch]}-*-Hourly2-GP3` })]);
}
