import { describe, expect, it } from 'vitest';
import { openLayers } from '../../../../src/engine/layers/open.ts';
import { planBuild } from '../../../../src/plan/planner.ts';
import { resolvedImage } from '../../../support/plan.ts';
import { testContext } from '../../../support/test-context.ts';

describe('a driver that keeps no layers', () => {
  const image = resolvedImage('debian13');
  const inputs = (cache: 'auto' | 'off' | 'strict', from?: string) => ({
    request: {
      image,
      cache,
      outputDir: '',
      stateHome: '',
      cacheHome: '',
      verify: false,
      force: false,
      onError: 'cleanup' as const,
      ...(from === undefined ? {} : { from }),
    },
    plan: planBuild(image),
    base: {
      path: '/base.qcow2',
      format: 'qcow2' as const,
      sha256: '0'.repeat(64),
      bytes: 0,
      facts: {},
      source: { kind: 'file' as const, path: '/base.qcow2', format: 'qcow2' as const },
    },
    tools: {},
    repositoriesSeenMs: undefined,
  });

  it('builds from the base each time', async () => {
    await using context = await testContext();
    expect(image.driver.layers).toBeUndefined();
    expect(await openLayers(inputs('auto'), context)).toBeUndefined();
    expect(await openLayers(inputs('auto', 'node'), context)).toBeUndefined();
    expect(await openLayers(inputs('off'), context)).toBeUndefined();
  });

  it('is refused where all layers are to be there', async () => {
    await using context = await testContext();
    await expect(openLayers(inputs('strict'), context)).rejects.toMatchObject({
      code: 'KIB_CACHE_MISS',
      message: `wanted cached layers, but the driver ${image.driver.name} has none`,
    });
  });
});
