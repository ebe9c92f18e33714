import { describe, expect, it } from 'vitest';
import { foldersOf, mkfsArgs } from '../../../../src/io/disk/esp.ts';

describe('foldersOf', () => {
  it('names each folder once, parents first', () => {
    expect(foldersOf(['EFI/debian/grub.cfg', 'EFI/BOOT/BOOTX64.EFI', 'EFI/BOOT/grubx64.efi', 'top'])).toEqual([
      'EFI',
      'EFI/BOOT',
      'EFI/debian',
    ]);
  });
});

describe('mkfsArgs', () => {
  it('makes FAT32 at the partition, with a fixed serial number', () => {
    expect(mkfsArgs({ image: 'disk.raw', firstSector: 8192, sectors: 253_952, serial: 'cafe0123', label: 'ESP' })).toEqual(
      '-F 32 -s 1 --invariant -i cafe0123 -n ESP -h 8192 --offset 8192 disk.raw 126976'.split(' '),
    );
  });
});
