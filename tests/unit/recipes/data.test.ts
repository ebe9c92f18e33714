import { describe, expect, it } from 'vitest';
import { KUBEADM, KUBECTL, KUBELET } from '../../../recipes/data/kubernetes.ts';
import { CNI_PLUGINS, CONTAINERD, CRICTL, RUNC } from '../../../recipes/data/releases.ts';
import { cni, containerd, recipes } from '../../../recipes/index.ts';
import { imageSchema } from '../../../src/core/index.ts';

describe('pinned releases', () => {
  it.each(Object.entries({ KUBEADM, KUBECTL, KUBELET, CNI_PLUGINS, CONTAINERD, CRICTL, RUNC }))('%s', (_name, table) => {
    expect(table.size).toBeGreaterThan(0);
    const digests = [...table.values()].flatMap(({ amd64, arm64 }) => [amd64, arm64]);
    for (const digest of digests) expect(digest).toMatch(/^[0-9a-f]{64}$/);
    expect(new Set(digests).size).toBe(digests.length);
    for (const version of table.keys()) expect(version).toMatch(/^\d+\.\d+\.\d+$/);
  });

  it('know the defaults', () => {
    const { version, runc } = containerd.params.parse({}) as { version: string; runc: string };
    expect(CONTAINERD.has(version)).toBe(true);
    expect(RUNC.has(runc)).toBe(true);
    expect(CNI_PLUGINS.has((cni.params.parse({}) as { version: string }).version)).toBe(true);
    expect(KUBELET.has(imageSchema.parse({ image: 'debian13' }).kubernetes.version.slice(1))).toBe(true);
  });
});

describe('recipes', () => {
  it('have distinct names and a summary', () => {
    expect(new Set(recipes.map(({ name }) => name)).size).toBe(recipes.length);
    for (const { summary } of recipes) expect(summary).toMatch(/^\S.*[^.]$/);
  });

  it('run with their defaults where they are part of an image that does not name them', () => {
    for (const { name, params } of recipes.filter(({ optional }) => optional !== true)) {
      expect(() => params.parse({}), name).not.toThrow();
    }
  });
});
