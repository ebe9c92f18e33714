import { expect, it } from 'vitest';
import { seedWays } from '../../../../drivers/vsphere/seed.ts';

it.each([
  ['auto', '7.0.2.0', false, ['iso']],
  ['auto', '7.0.2.0', true, ['iso', 'ovf']],
  ['auto', '7.0.3.0', false, ['iso', 'customization']],
  ['auto', '8.0.2.0', true, ['iso', 'customization', 'ovf']],
  ['iso', '8.0.2.0', true, ['iso']],
  ['ovf', '8.0.2.0', true, ['ovf']],
  ['customization', '7.0.2.0', false, ['customization']],
] as const)('seed %s on %s, with properties: %s, is tried as %j', (seed, version, hasProperties, ways) => {
  expect(seedWays({ seed }, { version, hasProperties, readsCustomization: true })).toEqual(ways);
});

it('tries no customization that the base cannot read', () => {
  const facts = { version: '8.0.2.0', hasProperties: true, readsCustomization: false };
  expect(seedWays({ seed: 'auto' }, facts)).toEqual(['iso', 'ovf']);
});
