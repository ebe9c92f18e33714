import * as fc from 'fast-check';
import { XMLParser } from 'fast-xml-parser';
import { describe, expect, it } from 'vitest';
import { GiB, sha256 } from '../../../src/core/index.ts';
import { ovaExporter } from '../../../src/export/ova.ts';
import { diskOffset, ovaHead, vmdkName } from '../../../src/export/ova-head.ts';
import { MAX_MEMBER_BYTES } from '../../../src/export/tar.ts';
import { testSubject } from '../../support/subject.ts';

const VMDK = { bytes: 5120, populatedBytes: 65_536, sha256: 'cd'.repeat(32) };
const CAPACITY = 20 * 2 ** 30;
const defaults = ovaExporter.options.parse({});

/** What the tests look at, as the parser gives it. */
interface Envelope {
  readonly References: { readonly File: unknown };
  readonly DiskSection: { readonly Disk: unknown };
  readonly VirtualSystem: {
    readonly EulaSection?: { readonly License: string };
    readonly VirtualHardwareSection: { readonly System: { readonly VirtualSystemType: string }; readonly Config: unknown };
  };
}

function descriptor(subject = testSubject(), options = defaults): { text: string; envelope: Envelope } {
  const text = ovaHead(subject, options, CAPACITY, VMDK).ovf;
  const parser = new XMLParser({ ignoreAttributes: false, attributeNamePrefix: '', removeNSPrefix: true, parseTagValue: false });
  return { text, envelope: (parser.parse(text) as { Envelope: Envelope }).Envelope };
}

describe('ovaHead', () => {
  it('orders descriptor, manifest, disk', () => {
    const { bytes } = ovaHead(testSubject(), defaults, CAPACITY, VMDK);
    const names = Array.from(
      bytes.toString('latin1').matchAll(/debian13-kube-v1\.36\.1[\w.-]*(?=\0+0000644)/g),
      ([name]) => name,
    );
    const stem = 'debian13-kube-v1.36.1';
    expect(names).toEqual([`${stem}.ovf`, `${stem}.mf`, `${stem}-disk1.vmdk`]);
  });

  it('writes the digests of descriptor and disk into the manifest', () => {
    const stem = 'debian13-kube-v1.36.1';
    const expected = `SHA256(${stem}.ovf)= ${sha256(descriptor().text)}\nSHA256(${stem}-disk1.vmdk)= ${VMDK.sha256}\n`;
    expect(ovaHead(testSubject(), defaults, CAPACITY, VMDK).manifest).toBe(expected);
  });

  it('is as long as was reserved, whatever the disk becomes', () => {
    let filled = 0;
    fc.assert(
      fc.property(
        // Texts of every length modulo a tar block.
        fc.integer({ min: 1, max: 600 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (length, fileShare, populatedShare) => {
          const subject = testSubject({ properties: { A: 'x'.repeat(length) } });
          const bytes = Math.floor(MAX_MEMBER_BYTES ** fileShare);
          const populatedBytes = Math.floor(CAPACITY ** populatedShare);
          const head = ovaHead(subject, defaults, CAPACITY, { ...VMDK, bytes, populatedBytes });
          expect(head.bytes.length).toBe(diskOffset(subject, defaults, CAPACITY));
          expect(head.ovf.trimEnd()).toMatch(/<\/Envelope>$/);
          if (head.ovf.endsWith('\n\n')) filled++;
        },
      ),
      { numRuns: 500 },
    );
    expect(filled, 'some texts were filled up').toBeGreaterThan(0);
  });

  it('holds disks up to what ustar can', () => {
    const largest = { ...VMDK, bytes: MAX_MEMBER_BYTES, populatedBytes: 16 * GiB };
    expect(ovaHead(testSubject(), defaults, CAPACITY, largest).ovf).toContain('ovf:size="8589934591"');
    expect(() => ovaHead(testSubject(), defaults, CAPACITY, { ...largest, bytes: MAX_MEMBER_BYTES + 1 })).toThrow(RangeError);
  });

  it('names the disk after the image', () => {
    expect(vmdkName(testSubject())).toBe('debian13-kube-v1.36.1-disk1.vmdk');
  });

  it('refers to the disk by name, size and capacity', () => {
    const { envelope } = descriptor();
    expect(envelope.References.File).toEqual({ id: 'file1', href: 'debian13-kube-v1.36.1-disk1.vmdk', size: '5120' });
    expect(envelope.DiskSection.Disk).toMatchObject({
      fileRef: 'file1',
      capacity: String(CAPACITY),
      capacityAllocationUnits: 'byte',
      populatedSize: '65536',
    });
  });

  it.each([
    ['uefi', 'efi'],
    ['bios', 'bios'],
  ] as const)('says firmware %s as %s', (firmware, value) => {
    const subject = testSubject({ machine: { ...testSubject().machine, firmware } });
    const configs = descriptor(subject).envelope.VirtualSystem.VirtualHardwareSection.Config;
    expect(configs).toContainEqual({ required: 'false', key: 'firmware', value });
  });

  it.each([
    ['debian', '13', undefined, 'vmx-15'],
    ['rhel', '9', undefined, 'vmx-15'],
    ['rhel', '10.1', undefined, 'vmx-20'],
    ['rhel', '10', 17, 'vmx-17'],
  ] as const)('gives %s %s with hardwareVersion %s the hardware %s', (family, version, hardwareVersion, expected) => {
    const { envelope } = descriptor(testSubject({ os: { family, version } }), { ...defaults, hardwareVersion });
    expect(envelope.VirtualSystem.VirtualHardwareSection.System.VirtualSystemType).toBe(expected);
  });

  it('has no EULA unless given one', () => {
    expect(descriptor().envelope.VirtualSystem.EulaSection).toBeUndefined();
    expect(descriptor(testSubject(), { ...defaults, eula: 'Be nice.' }).envelope.VirtualSystem.EulaSection?.License).toBe(
      'Be nice.',
    );
  });

  it('sorts properties, whatever their order', () => {
    const forwards = descriptor(testSubject({ properties: { A: '1', B: '2' } })).text;
    expect(descriptor(testSubject({ properties: { B: '2', A: '1' } })).text).toBe(forwards);
  });
});
