import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseVmx, vmxText, vmxValue, withoutSettings } from '../../../src/io/vmx.ts';
import { isOfTheBuild } from '../../../src/io/vmx-hardware.ts';

const key = fc.stringMatching(/^[a-z][a-z0-9]{0,8}(\.[a-zA-Z0-9]{1,8})?$/);

describe('.vmx files', () => {
  it('come back as they were written, whatever the values hold', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(key, fc.string()), { selector: ([name]) => name.toLowerCase() }), (entries) => {
        const settings = new Map(entries.map(([name, value]) => [name, value.replaceAll(/[^\x20-\x7e\n"|#]/g, '')]));
        expect(parseVmx(vmxText(settings))).toEqual(settings);
      }),
    );
  });

  it('are read as VMware writes them: other spellings, comments, the last of two values', () => {
    const settings = parseVmx(
      '#!/usr/bin/vmware\r\n.encoding = "UTF-8"\r\nMemSize = "1024"\nmemsize = "2048"\nnote="a |22b|22"\n',
    );
    expect([...settings]).toEqual([
      ['.encoding', 'UTF-8'],
      ['MemSize', '2048'],
      ['note', 'a "b"'],
    ]);
    expect(vmxValue(settings, 'MEMSIZE')).toBe('2048');
    expect(vmxValue(settings, 'numvcpus')).toBeUndefined();
  });

  it('lose what is of the build alone before they are handed on', () => {
    const own = ['displayName', 'scsi0:0.fileName', 'ethernet0.virtualDev', 'ethernet0.addressType'];
    const built = [
      'guestinfo.userdata',
      'sata1:0.fileName',
      'sata1.present',
      'serial0.fileName',
      'ethernet0.generatedAddress',
      'uuid.bios',
    ];
    const settings = new Map([...own, ...built].map((name) => [name, 'x']));
    expect([...withoutSettings(settings, isOfTheBuild).keys()]).toEqual(own);
  });
});
