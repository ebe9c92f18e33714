import { describe, expect, it } from 'vitest';
import { configTable, configToml, pauseImage } from '../../../recipes/containerd-files.ts';

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
    const kubernetes = version === undefined ? undefined : { version, imageRepository: 'registry.k8s.io' };
    expect(pauseImage(kubernetes)).toBe(`registry.k8s.io/pause:${pause}`);
  });
});

describe('configToml', () => {
  const table = configTable(3, {
    sandboxImage: 'registry.k8s.io/pause:3.10',
    cgroupDriver: 'systemd',
    selinux: false,
    snapshotter: undefined,
    imagePullProgressTimeout: undefined,
    runtimes: {},
  });

  it('adds text where TOML wants it: keys above our tables, tables below', () => {
    const text = configToml(table, 'oom_score = -5\n\n[debug]\n  level = "debug"\n');
    const lines = text.split('\n');
    expect(lines[0]).toBe('oom_score = -5');
    expect(lines).toContain('imports = ["/etc/containerd/conf.d/*.toml"]');
    expect(text).toMatch(/\n\[debug\]\n {2}level = "debug"\n$/);
  });

  it('gives way to imports of the user', () => {
    const text = configToml(table, 'imports = ["/etc/mine/*.toml"]\n');
    expect(text.match(/imports/g)).toHaveLength(1);
    expect(text).toContain('/etc/mine/*.toml');
  });

  it('merges a table and keeps what it does not name', () => {
    const text = configToml(table, { plugins: { 'io.containerd.cri.v1.runtime': { enable_cdi: true } } });
    expect(text).toContain('[plugins."io.containerd.cri.v1.runtime"]\n  enable_cdi = true');
    expect(text).toContain('SystemdCgroup = true');
  });
});
