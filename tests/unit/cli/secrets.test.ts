import { describe, expect, it } from 'vitest';
import { cli } from '../../support/cli.ts';

const files = {
  'node.yaml': [
    'image: debian13',
    'kubernetes: { source: http, url: "https://me:sesame@mirror.example/k8s" }',
    `base: { url: "https://images.example/a.qcow2?X-Signature=sesame", sha256: ${'a'.repeat(64)} }`,
    'provision:',
    '  - shell: curl https://me:sesame@mirror.example/motd >/etc/motd',
    '',
  ].join('\n'),
};

describe('logins and queries of URLs', () => {
  it.each([
    ['plan', ['plan', 'node.yaml'], 'https://images.example/a.qcow2?***'],
    ['plan --json', ['plan', 'node.yaml', '--json'], 'https://***@mirror.example/k8s'],
    ['inspect', ['inspect', 'node.yaml'], 'https://***@mirror.example/k8s'],
    ['an error', ['validate', 'node.yaml', '--var', 'cpus=https://me:sesame@host'], 'https://***@host'],
    ['an error as JSON', ['validate', 'node.yaml', '--json', '--var', 'cpus=https://me:sesame@host'], 'https://***@host'],
  ])('are not shown by %s', async (_, argv, shown) => {
    const { stdout, stderr } = await cli(argv, { files });
    expect(stdout + stderr).toContain(shown);
    expect(stdout + stderr).not.toContain('sesame');
  });
});
