import { describe, expect, it } from 'vitest';
import { pauseImage } from '../../../recipes/containerd-files.ts';

describe('pauseImage', () => {
  // kubeadm's constants.PauseVersion of each release.
  it.each([
    ['v1.33.4', '3.10'],
    ['v1.34.0', '3.10.1'],
    ['v1.35.9', '3.10.1'],
    ['v1.36.1', '3.10.2'],
    ['v1.99.0', '3.10.2'],
    [undefined, '3.10.2'],
  ])('%s has %s', (version, pause) => {
    expect(pauseImage(version)).toBe(`registry.k8s.io/pause:${pause}`);
  });
});
