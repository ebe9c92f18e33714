import { describe, expect, it } from 'vitest';
import { openGuest, parseFstab } from '../../../../src/engine/inspect/open-guest.ts';
import type { ByteSource } from '../../../../src/io/filesystem/byte-source.ts';

function source(changes: Readonly<Record<number, string>>): ByteSource {
  const bytes = Buffer.alloc(128 * 1024);
  for (const [offset, text] of Object.entries(changes)) bytes.write(text, Number(offset), 'latin1');
  return { bytes: bytes.length, read: (offset, length) => Promise.resolve(bytes.subarray(offset, offset + length)) };
}

describe('parseFstab', () => {
  it('reads fields, blanks and comments', () => {
    const text = '# root\nUUID=1-2  /  ext4 defaults,discard 0 1\n\n\t/dev/sdb1 /my\\040data xfs noauto\nshort\n';
    expect(parseFstab(text)).toEqual([
      { spec: 'UUID=1-2', mountPoint: '/', type: 'ext4', options: ['defaults', 'discard'] },
      { spec: '/dev/sdb1', mountPoint: '/my data', type: 'xfs', options: ['noauto'] },
      { spec: 'short', mountPoint: '', type: '', options: [''] },
    ]);
  });
});

describe('openGuest', () => {
  it.each([
    ['nothing', {}, 'the whole disk: not recognised'],
    ['btrfs', { 65600: '_BHRfS_M' }, 'the whole disk: btrfs'],
    ['LVM', { 512: 'LABELONE' }, 'the whole disk: LVM2 physical volume'],
    ['LUKS', { 0: 'LUKS\xba\xbe' }, 'the whole disk: LUKS'],
    ['an ext4 of the future', { 1080: '\x53\xef', 1120: '\0\0\x08\0' }, 'incompat 0x80000'],
    ['XFS version 4', { 0: 'XFSB', 100: '\xb4\xa4' }, 'XFS version 4, want 5'],
  ])('refuses %s, saying what it is', async (_name, changes, what) => {
    await expect(openGuest(source(changes))).rejects.toMatchObject({
      code: 'KIB_INSPECT',
      message: expect.stringContaining(what) as string,
      hint: expect.stringContaining('--no-verify') as string,
    });
  });

  it('refuses a GPT it cannot read', async () => {
    await expect(openGuest(source({ 450: '\xee', 510: '\x55\xaa' }))).rejects.toMatchObject({
      code: 'KIB_INSPECT',
      message: 'the partition table cannot be read: a GPT without a primary header',
    });
  });
});
