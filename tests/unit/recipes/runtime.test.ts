import { describe, expect, it } from 'vitest';
import { CONTAINERD_RUNTIME, CRIO_RUNTIME, runtimeOf } from '../../../recipes/runtime.ts';

describe('runtimeOf', () => {
  it.each([
    [['node', 'containerd', 'seal'], CONTAINERD_RUNTIME],
    [['node', 'crio', 'seal'], CRIO_RUNTIME],
    [['node', 'seal'], undefined],
  ])('of %j', (recipes, runtime) => {
    expect(runtimeOf({ recipes })).toBe(runtime);
  });
});
