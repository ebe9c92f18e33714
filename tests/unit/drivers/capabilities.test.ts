import { describe, expect, it } from 'vitest';
import { loadRegistry } from '../../../src/cli/registry.ts';
import { LOCAL_BASES } from '../../../src/core/index.ts';

const { drivers, exporters } = await loadRegistry();
const fileFormats: readonly string[] = exporters.map(({ format }) => format);

describe('what a driver says it can do', () => {
  it.each(drivers.map((driver) => [driver.name, driver] as const))('%s has what that takes', (_, { capabilities, images }) => {
    const { arch, firmware, formats, bases = LOCAL_BASES } = capabilities;
    for (const list of [arch, firmware, formats, bases]) {
      expect(list.length).toBeGreaterThan(0);
      expect(new Set(list).size).toBe(list.length);
    }
    // Files are written here; other images, and bases that are no files, are the hypervisor's.
    const needsImages =
      formats.some((format) => !fileFormats.includes(format)) || bases.some((kind) => !LOCAL_BASES.includes(kind));
    expect(images !== undefined).toBe(needsImages);
  });
});
