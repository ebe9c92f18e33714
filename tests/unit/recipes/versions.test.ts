import { describe, expect, it } from 'vitest';
import { isAtLeast, minorOf, seriesOf } from '../../../recipes/versions.ts';

describe('versions', () => {
  it('reads Kubernetes versions', () => {
    expect(minorOf('v1.36.1')).toBe(36);
    expect(seriesOf('v1.36.1')).toBe('v1.36');
  });

  it.each([
    ['2.0.0', '2.0.0', true],
    ['2.10.0', '2.9.1', true],
    ['1.7.34', '2.0.0', false],
    ['v2.1.0-rc.1', '2.1.0', true],
    ['2', '2.0.1', false],
  ])('%s is at least %s: %s', (version, minimum, answer) => {
    expect(isAtLeast(version, minimum)).toBe(answer);
  });
});
