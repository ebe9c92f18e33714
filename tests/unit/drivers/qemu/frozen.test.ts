import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FROZEN_SEED, readFrozen, writeFrozen } from '../../../../drivers/qemu/frozen.ts';

describe('machine.json', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'kib-frozen-'));
    for (const name of ['memory', 'memory.zst', FROZEN_SEED]) writeFileSync(join(dir, name), '');
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  it.each(['memory', 'memory.zst'] as const)('comes back as it was written (%s)', async (memory) => {
    const frozen = { v: 1, fingerprint: '7.2, pc-q35-7.2, tcg max, devices 0123456789ab', memory } as const;
    expect(await writeFrozen(dir, frozen)).toBe('machine.json');
    expect(await readFrozen(dir)).toEqual(frozen);
    expect(statSync(join(dir, 'machine.json')).mode & 0o777).toBe(0o600);
  });

  it('is written once', async () => {
    const frozen = { v: 1, fingerprint: 'a', memory: 'memory' } as const;
    await writeFrozen(dir, frozen);
    await expect(writeFrozen(dir, frozen)).rejects.toMatchObject({ code: 'EEXIST' });
  });

  it.each([
    ['{"v": 2, "fingerprint": "a", "memory": "memory"}', 'v'],
    ['{"v": 1, "fingerprint": "a", "memory": "../memory"}', 'memory'],
    ['{"v": 1, "memory": "memory"}', 'fingerprint'],
    ['{"v": 1', 'JSON'],
  ])('is refused when it is %s', async (text, word) => {
    writeFileSync(join(dir, 'machine.json'), text);
    await expect(readFrozen(dir)).rejects.toMatchObject({
      code: 'KIB_RESUME',
      message: expect.stringContaining(word) as string,
    });
  });

  it.each(['machine.json', 'memory', FROZEN_SEED])('is of no use without %s', async (name) => {
    await writeFrozen(dir, { v: 1, fingerprint: 'a', memory: 'memory' });
    expect(readFileSync(join(dir, 'machine.json'), 'utf8')).toContain('memory');
    rmSync(join(dir, name));
    await expect(readFrozen(dir)).rejects.toMatchObject({
      code: 'KIB_RESUME',
      message: expect.stringContaining(name) as string,
    });
  });
});
