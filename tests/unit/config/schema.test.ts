import { describe, expect, it } from 'vitest';
import { loadRegistry } from '../../../src/cli/registry.ts';
import { rootSchema, toJsonSchema } from '../../../src/config/schema.ts';
import { settings } from '../../../src/config/settings.ts';
import { imageSchema } from '../../../src/core/index.ts';
import { testRegistry } from '../../support/registry.ts';

describe('settings', () => {
  it('has one row per setting, described, with the default as a user would write it', async () => {
    const rows = settings(rootSchema(await loadRegistry()));
    expect(new Set(rows.map(({ path }) => path)).size).toBe(rows.length);
    expect(rows.filter(({ description }) => description === '').map(({ path }) => path)).toEqual([]);
    const byPath = new Map(rows.map((row) => [row.path, row]));
    expect(byPath.get('memory')).toMatchObject({ type: 'size', default: '2GiB' });
    expect(byPath.get('formats')).toMatchObject({ type: 'list of qcow2 | raw | ova | ami | template', default: '[qcow2]' });
    expect(byPath.get('driver.accelerator')?.default).toBe('auto');
    expect(byPath.get('base.bootstrap.mirror')?.type).toBe('URL');
    expect(byPath.get('provision[].shell')?.type).toBe('text');
  });

  it('covers every member of the image schema', () => {
    const roots = new Set(settings(rootSchema(testRegistry)).map(({ path }) => path.split(/[.[]/)[0]));
    expect([...roots]).toEqual(Object.keys(imageSchema.shape));
  });
});

describe('toJsonSchema', () => {
  it('closes every object and names what there is', () => {
    const schema = toJsonSchema(testRegistry) as {
      properties: Record<string, Record<string, unknown>>;
      additionalProperties: unknown;
    };
    expect(schema.additionalProperties).toBe(false);
    expect(schema.properties['image']?.['enum']).toEqual(['debian13', 'debian-13', 'rocky10', 'rocky-10']);
    expect(schema).toMatchObject({
      required: ['image'],
      properties: {
        recipes: { additionalProperties: false, properties: { containerd: { properties: { version: { default: '2.3.2' } } } } },
        without: { items: { enum: ['node', 'containerd', 'kubernetes', 'watchdog', 'seal'] } },
      },
    });
  });
});
