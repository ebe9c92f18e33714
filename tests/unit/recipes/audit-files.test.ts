import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { kubeadmSample, POLICY_TEXT, ruleSets, watchesOf } from '../../../recipes/audit-files.ts';
import { CONTAINERD_RUNTIME, CRIO_RUNTIME } from '../../../recipes/runtime.ts';
import { kubernetesSchema } from '../../../src/core/index.ts';

const limits = { days: 30, count: 5, megabytes: 50 };

describe('kubeadmSample', () => {
  it('is a list of arguments from kubeadm 1.31, a map before', () => {
    const newer = parse(kubeadmSample(kubernetesSchema.parse({ version: 'v1.31.0' }), limits));
    const older = parse(kubeadmSample(kubernetesSchema.parse({ version: 'v1.30.9' }), limits));
    expect(newer.apiVersion).toBe('kubeadm.k8s.io/v1beta4');
    expect(newer.apiServer.extraArgs).toContainEqual({ name: 'audit-log-maxage', value: '30' });
    expect(older.apiVersion).toBe('kubeadm.k8s.io/v1beta3');
    expect(older.apiServer.extraArgs['audit-log-maxage']).toBe('30');
    expect(newer.apiServer.extraVolumes).toEqual(older.apiServer.extraVolumes);
  });
});

describe('POLICY_TEXT', () => {
  const rules: readonly { level: string; resources?: readonly { group: string; resources?: readonly string[] }[] }[] =
    parse(POLICY_TEXT).rules;

  it('never writes down what is in a secret', () => {
    const first = rules.find(({ resources }) => resources?.some((entry) => entry.resources?.includes('secrets') === true));
    expect(first?.level).toBe('Metadata');
    const before = rules.slice(0, first === undefined ? 0 : rules.indexOf(first));
    expect(before.filter(({ level }) => level !== 'None')).toEqual([]);
  });

  it('ends with a rule for everything else', () => {
    expect(rules.at(-1)).toEqual({ level: 'Metadata' });
  });
});

describe('watchesOf', () => {
  const watches = (runtime: typeof CONTAINERD_RUNTIME, everything: boolean) =>
    ruleSets(runtime, true).flatMap((set) => watchesOf(set, everything));

  it.each([CONTAINERD_RUNTIME, CRIO_RUNTIME])('watches each path of $name once', (runtime) => {
    const paths = watches(runtime, true).map((rule) => rule.split(' ')[1]);
    expect(new Set(paths).size).toBe(paths.length);
  });

  it('leaves reads and the runtime’s own state out unless asked', () => {
    const few = watches(CONTAINERD_RUNTIME, false);
    expect(few.some((rule) => / -p \w*r/.test(rule))).toBe(false);
    expect(few.some((rule) => rule.includes('/var/lib/containerd'))).toBe(false);
    expect(watches(CONTAINERD_RUNTIME, true)).toContain('-w /var/lib/containerd -p rwxa -k containerd');
  });
});
