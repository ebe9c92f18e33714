import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { unpackDebian } from './debian-programs.ts';
import { compile, goSources } from './go.ts';
import { madeOnce } from './once.ts';

export const CRIO_VERSION = '1.36.3';
export const CRICTL_VERSION = '1.36.0';
const MODULE = `github.com/cri-o/cri-o@v${CRIO_VERSION}`;

/** Leave out what needs libraries that are not everywhere (CRI-O's Makefile, BUILDTAGS). */
const TAGS = [
  'containers_image_openpgp',
  'containers_image_ostree_stub',
  'exclude_graphdriver_btrfs',
  'exclude_graphdriver_devicemapper',
  'exclude_graphdriver_zfs',
  'libdm_no_deferred_remove',
  'btrfs_noversion',
  'osusergo',
];

/**
 * A release bundle of CRI-O as cri-o/packaging lays it out. CRI-O, pinns and crictl are compiled from Go's module proxy, conmon, crun and runc are Debian's;
 * conmonrs, which nothing uses unless it is asked for, is conmon again.
 */
export async function crioBundle(): Promise<Buffer> {
  const name = `cri-o.amd64.v${CRIO_VERSION}.tar.gz`;
  return madeOnce(name, async (work) => {
    const bin = join(work, 'cri-o', 'bin');
    mkdirSync(bin, { recursive: true });
    await compile(bin, { module: MODULE, programs: ['cmd/crio'], tags: TAGS, cgo: true });
    await compilePinns(join(bin, 'pinns'));
    await compile(bin, crictl);
    await unpackDebian(['conmon', 'crun', 'runc'], work);
    copyFileSync(join(work, 'usr/bin/conmon'), join(bin, 'conmon'));
    copyFileSync(join(work, 'usr/bin/conmon'), join(bin, 'conmonrs'));
    copyFileSync(join(work, 'usr/bin/crun'), join(bin, 'crun'));
    copyFileSync(join(work, 'usr/sbin/runc'), join(bin, 'runc'));
    execFileSync('tar', ['-C', work, '-czf', join(work, name), 'cri-o']);
  });
}

/** The archive of a crictl release. */
export async function crictlRelease(): Promise<Buffer> {
  const name = `crictl-v${CRICTL_VERSION}-linux-amd64.tar.gz`;
  return madeOnce(name, async (work) => {
    await compile(work, crictl);
    execFileSync('tar', ['-C', work, '-czf', join(work, name), 'crictl']);
  });
}

/** runc as its project releases it: the program alone. */
export async function runcRelease(): Promise<Buffer> {
  return madeOnce('runc.amd64', async (work) => {
    await unpackDebian(['runc'], work);
    copyFileSync(join(work, 'usr/sbin/runc'), join(work, 'runc.amd64'));
  });
}

const crictl = {
  module: `sigs.k8s.io/cri-tools@v${CRICTL_VERSION}`,
  programs: ['cmd/crictl'],
  ldflags: `-X sigs.k8s.io/cri-tools/pkg/version.Version=v${CRICTL_VERSION}`,
};

/** As its Makefile does; the folder of a module cannot be written to. */
async function compilePinns(to: string): Promise<void> {
  const folder = join(await goSources(MODULE), 'pinns', 'src');
  const sources = readdirSync(folder).filter((file) => file.endsWith('.c'));
  execFileSync('cc', ['-std=c99', '-Os', '-static', '-s', '-o', to, ...sources.map((file) => join(folder, file))]);
}
