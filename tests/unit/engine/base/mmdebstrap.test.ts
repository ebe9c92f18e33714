import { describe, expect, it } from 'vitest';
import { mmdebstrapArgs, noteOf } from '../../../../src/engine/base/mmdebstrap.ts';

const request = {
  suite: 'trixie',
  arch: 'amd64',
  packages: ['udev', 'sudo'],
  sources: '/scratch/debian.sources',
  target: '/scratch/system.tar',
  epoch: 1_700_000_000,
} as const;

describe('mmdebstrapArgs', () => {
  it('ends with suite, target and sources', () => {
    const args = mmdebstrapArgs(request, 'unshare');
    expect(args.slice(-3)).toEqual(['trixie', '/scratch/system.tar', '/scratch/debian.sources']);
    expect(args).toContain('--mode=unshare');
    expect(args).toContain('--include=udev,sudo');
    expect(args).toContain('--architectures=amd64');
  });

  it('makes a BIOS loader where there is a BIOS', () => {
    const loader = (arch: 'amd64' | 'arm64') =>
      mmdebstrapArgs({ ...request, arch }, 'auto').filter((arg) => arg.includes('i386-pc'));
    expect(loader('amd64')).toHaveLength(1);
    expect(loader('arm64')).toHaveLength(0);
  });
});

describe('noteOf', () => {
  it.each([
    ['Get:12 http://mirror.test/debian trixie/main amd64 libc6 amd64 2.41-12 [2847 kB]', 'downloading libc6'],
    ['Unpacking libc6:amd64 (2.41-12) ...', 'unpacking libc6:amd64'],
    ['Setting up cloud-init (25.1.4-1) ...', 'configuring cloud-init'],
    ['update-initramfs: Generating /boot/initrd.img-6.12', 'making the initramfs'],
    ['I: creating tarball...', 'packing'],
    ['Reading package lists...', undefined],
  ])('%s', (line, note) => {
    expect(noteOf(line)).toBe(note);
  });
});
