import { describe, expect, it } from 'vitest';
import { imageProperties, upstreamVersion } from '../../../src/engine/properties.ts';

const now = Date.UTC(2026, 0, 2, 3, 4, 5, 678);

describe('imageProperties', () => {
  it('takes versions from the guest where only the guest knows them', () => {
    const packages = [{ name: 'containerd', version: '1.7.24~ds1-6+deb13u1', arch: 'amd64' }];
    expect(imageProperties({ properties: { DISTRO_NAME: 'debian' } }, packages, now)).toMatchObject({
      CONTAINERD_VERSION: '1.7.24',
      DISTRO_NAME: 'debian',
    });
  });

  it('lets the plan win over a package that happens to be installed as well', () => {
    const packages = [{ name: 'containerd', version: '1.7.24-1', arch: 'amd64' }];
    expect(imageProperties({ properties: { CONTAINERD_VERSION: '2.3.4' } }, packages, now)['CONTAINERD_VERSION']).toBe('2.3.4');
  });

  it('says when and by what the image was built', () => {
    expect(imageProperties({ properties: {} }, [], now)).toEqual({
      BUILD_TIMESTAMP: '1767323045',
      BUILD_DATE: '2026-01-02T03:04:05.678Z',
      IMAGE_BUILDER_VERSION: expect.stringMatching(/^kib-native \d+\.\d+\.\d+$/),
    });
  });
});

describe('upstreamVersion', () => {
  it.each([
    ['1:1.7.24~ds1-6+deb13u1', '1.7.24'],
    ['1.9.1-1.1', '1.9.1'],
    ['2.3.3-1.el10', '2.3.3'],
    ['1.1.1+ds1-3', '1.1.1'],
  ])('%s is %s', (version, upstream) => expect(upstreamVersion(version)).toBe(upstream));
});
