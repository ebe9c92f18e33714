import { describe, expect, it } from 'vitest';
import { PARTITION_TYPES, sfdiskScript } from '../../../../src/io/disk/gpt.ts';

describe('sfdiskScript', () => {
  it('names every value, so that nothing is left to chance', () => {
    const script = sfdiskScript({
      guid: '00000000-0000-4000-8000-000000000001',
      partitions: [
        {
          number: 14,
          firstSector: 2048,
          sectors: 6144,
          type: PARTITION_TYPES.biosBoot,
          guid: '00000000-0000-4000-8000-000000000002',
          name: 'bios',
        },
      ],
    });
    expect(script).toBe(
      'label: gpt\nlabel-id: 00000000-0000-4000-8000-000000000001\nunit: sectors\n' +
        '14 : start=2048, size=6144, type=21686148-6449-6E6F-744E-656564454649, ' +
        'uuid=00000000-0000-4000-8000-000000000002, name="bios"\n',
    );
  });
});
