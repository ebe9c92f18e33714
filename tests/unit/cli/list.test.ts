import { describe, expect, it } from 'vitest';
import { catalog } from '../../../src/catalog/index.ts';
import { cli } from '../../support/cli.ts';
import { testRegistry } from '../../support/registry.ts';

const registry = () => Promise.resolve({ ...testRegistry, catalog });
const lineOf = async (name: string) => {
  const { stdout } = await cli(['list', 'images'], { registry });
  return stdout.split('\n').find((line) => line.startsWith(`  ${name} `)) ?? '';
};

describe('list images', () => {
  it('shows names, aliases, the end of life and where an image starts', async () => {
    expect(await lineOf('rocky10')).toMatch(
      /^ {2}rocky10 +Rocky Linux 10 +rockylinux-10, rocky-10 +until 2035-05-31 +amd64, arm64: cloud-image, ami$/,
    );
    expect(await lineOf('oraclelinux9')).toMatch(/amd64: cloud-image, ami; arm64: cloud-image$/);
  });

  it('shows what has ended, and what comes without a base', async () => {
    expect(await lineOf('centos7')).toContain('ended 2024-06-30');
    expect(await lineOf('photon5')).toMatch(/photon-5 +bring a base$/);
  });

  it('says the same as JSON', async () => {
    const { stdout } = await cli(['list', 'images', '--json'], { registry });
    const images = JSON.parse(stdout) as readonly { readonly name: string }[];
    expect(images.map(({ name }) => name)).toEqual(catalog.map(({ id }) => id));
    expect(images.find(({ name }) => name === 'ubuntu1804')).toMatchObject({
      aliases: ['ubuntu-1804'],
      endOfLife: '2023-05-31',
      isAtEndOfLife: true,
      bases: { amd64: ['cloud-image', 'ami'] },
    });
  });
});
