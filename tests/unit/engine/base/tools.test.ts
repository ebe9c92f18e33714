import { describe, expect, it } from 'vitest';
import { findOs } from '../../../../src/catalog/index.ts';
import { baseTools } from '../../../../src/engine/base/tools.ts';

describe('baseTools', () => {
  it.each([
    ['rocky10', 0, ['qemu-img']],
    ['rocky10', 1, ['qemu-img', 'gpgv']],
    ['debian13', 0, ['qemu-img']],
    ['debian13', 2, expect.arrayContaining(['mmdebstrap'])],
  ])('of %s, source %i', (id, index, tools) => {
    const source = findOs(id)?.bases.amd64?.[index];
    expect(source === undefined ? undefined : baseTools(source)).toEqual(tools);
  });
});
