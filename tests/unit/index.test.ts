import { describe, expect, it } from 'vitest';
import { build, defineImage, KibError, plan } from '../../src/index.ts';
import { testRegistry } from '../support/registry.ts';

describe('the library', () => {
  const image = defineImage({ image: 'debian13', formats: ['raw'], kubernetes: { version: 'v1.35.4' } });

  it('plans an image made in code', async () => {
    const made = await plan(image, { registry: testRegistry });
    expect(made).toMatchObject({ v: 1, name: 'debian13-kube-v1.35.4', exports: [{ format: 'raw' }] });
  });

  it('plans with everything the package has by default', async () => {
    const made = await plan({ image: 'rocky10' });
    expect(made.recipes.map(({ name }) => name)).toContain('containerd');
    expect(made.os.x86Level).toBe(3);
  });

  it('refuses a wrong image before anything starts', async () => {
    const wrong = { image: 'debian13', cpus: -1 };
    await expect(build(wrong, { registry: testRegistry })).rejects.toBeInstanceOf(KibError);
    await expect(plan(wrong, { registry: testRegistry })).rejects.toThrow('image: cpus: must be at least 1, got -1');
  });
});
