import { describe, expect, it } from 'vitest';
import { GiB, imageSchema } from '../../../src/core/index.ts';

/** Path and message of every problem with the document. */
function problems(document: unknown): string[] {
  const { error } = imageSchema.safeParse(document);
  return (error?.issues ?? []).map((issue) => `${issue.path.join('.')}: ${issue.message}`);
}

describe('imageSchema', () => {
  it('needs nothing but the image', () => {
    expect(imageSchema.parse({ image: 'debian13' })).toMatchObject({
      image: 'debian13',
      arch: 'amd64',
      driver: 'qemu',
      cpus: 2,
      memory: 2 * GiB,
      disk: 20 * GiB,
      formats: ['qcow2'],
      kubernetes: { source: 'pkg', url: 'https://dl.k8s.io', repository: 'https://pkgs.k8s.io' },
      recipes: {},
      without: [],
      provision: [],
    });
    expect(problems({})).toHaveLength(1);
  });

  it('parses sizes', () => {
    const { disk, memory } = imageSchema.parse({ image: 'a', disk: '12GiB', memory: 1024 ** 3 });
    expect([disk, memory]).toEqual([12 * GiB, GiB]);
    expect(problems({ image: 'a', disk: '12 gigs' })).toEqual(['disk: is not a size; want something like 20GiB, got "12 gigs"']);
    expect(problems({ image: 'a', disk: '0' })).toHaveLength(1);
    expect(problems({ image: 'a', memory: -1 })).toHaveLength(1);
  });

  it.each([
    ['an unknown key', { imagee: 'x' }],
    ['an unknown key further down', { kubernetes: { sauce: 'pkg' } }],
    ['a version without v', { kubernetes: { version: '1.36.1' } }],
    ['a version that is not exact', { kubernetes: { version: 'v1.36' } }],
    ['a source that is none', { kubernetes: { source: 'apt' } }],
    ['a URL of another kind', { kubernetes: { url: 'ftp://example.org' } }],
    ['no CPU', { cpus: 0 }],
    ['half a CPU', { cpus: 1.5 }],
    ['no format', { formats: [] }],
    ['an unknown format', { formats: ['vhd'] }],
    ['an unknown firmware', { firmware: 'efi' }],
    ['a name that is no folder', { name: '../x' }],
    ['a download without a digest', { base: { url: 'https://example.org/x.qcow2' } }],
    ['a digest in upper case', { base: { url: 'https://example.org/x.qcow2', sha256: 'A'.repeat(64) } }],
    ['a step that is two', { provision: [{ shell: 'true', reboot: true }] }],
    ['a relative target', { provision: [{ file: 'a', to: 'etc/a' }] }],
    ['a mode that is none', { provision: [{ file: 'a', to: '/etc/a', mode: '0999' }] }],
    ['a reboot that is not meant', { provision: [{ reboot: false }] }],
  ])('refuses %s', (_, wish) => {
    expect(problems({ image: 'debian13', ...wish })).not.toEqual([]);
  });

  it('reports all problems, not the first', () => {
    const found = problems({ image: 'a', cpus: 0, arch: 'x86', kubernetes: { version: '1' } });
    expect(new Set(found.map((text) => text.split(':')[0]))).toEqual(new Set(['arch', 'cpus', 'kubernetes.version']));
  });

  it.each([
    ['a kind', 'bootstrap'],
    ['a file', { file: 'base.qcow2' }],
    ['a URL', { url: 'https://example.org/x.img', sha256: 'a'.repeat(64), format: 'raw' }],
    ['a bootstrap', { bootstrap: { mirror: 'http://example.org/debian' } }],
  ])('takes %s for the base', (_, base) => {
    expect(problems({ image: 'debian13', base })).toEqual([]);
  });

  it('completes the steps', () => {
    const { provision } = imageSchema.parse({
      image: 'a',
      provision: [{ shell: 'true' }, { file: 'x', to: '/y' }, { reboot: true }],
    });
    expect(provision).toEqual([
      {
        shell: 'true',
        timeoutSeconds: 900,
        attempts: 1,
        pauseSeconds: 5,
        exitCodes: [],
        expectDisconnect: false,
        environment: {},
        secrets: {},
        user: 'root',
        workdir: '/',
      },
      { file: 'x', to: '/y', mode: '0644', owner: 'root:root' },
      { reboot: true },
    ]);
  });

  it('describes every setting', () => {
    const missing = Object.entries(imageSchema.shape).filter(([, schema]) => schema.description === undefined);
    expect(missing.map(([name]) => name)).toEqual([]);
  });
});
