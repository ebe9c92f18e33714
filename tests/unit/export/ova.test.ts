import { XMLParser } from 'fast-xml-parser';
import { describe, expect, it } from 'vitest';
import { sha256 } from '../../../src/core/index.ts';
import { ovaExporter, ovaMembers } from '../../../src/export/ova.ts';
import { MAX_MEMBER_BYTES } from '../../../src/export/tar.ts';
import { testSubject } from '../../support/subject.ts';

const VMDK = { path: '/scratch/disk.vmdk', bytes: 5120, populatedBytes: 65_536, sha256: 'cd'.repeat(32) };
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
  const [ovf] = ovaMembers(subject, options, CAPACITY, VMDK);
  if (ovf?.kind !== 'text') throw new Error('the first member is not text');
  const parser = new XMLParser({ ignoreAttributes: false, attributeNamePrefix: '', removeNSPrefix: true, parseTagValue: false });
  return { text: ovf.text, envelope: (parser.parse(ovf.text) as { Envelope: Envelope }).Envelope };
}

describe('ovaMembers', () => {
  it('orders descriptor, manifest, disk', () => {
    const names = ovaMembers(testSubject(), defaults, CAPACITY, VMDK).map(({ name }) => name);
    const stem = 'debian13-kube-v1.36.1';
    expect(names).toEqual([`${stem}.ovf`, `${stem}.mf`, `${stem}-disk1.vmdk`]);
  });

  it('writes the digests of descriptor and disk into the manifest', () => {
    const members = ovaMembers(testSubject(), defaults, CAPACITY, VMDK);
    const stem = 'debian13-kube-v1.36.1';
    const expected = `SHA256(${stem}.ovf)= ${sha256(descriptor().text)}\nSHA256(${stem}-disk1.vmdk)= ${VMDK.sha256}\n`;
    expect(members[1]).toMatchObject({ text: expected, bytes: expected.length });
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

  it('refuses a disk that a ustar member cannot hold', () => {
    const large = { ...VMDK, bytes: MAX_MEMBER_BYTES + 1 };
    expect(() => ovaMembers(testSubject(), defaults, CAPACITY, large)).toThrowError(
      expect.objectContaining({
        code: 'KIB_EXPORT',
        message: 'an OVA member can hold 8 GiB, but the compressed disk is 8.0 GiB',
      }),
    );
    expect(ovaMembers(testSubject(), defaults, CAPACITY, { ...VMDK, bytes: MAX_MEMBER_BYTES })).toHaveLength(3);
  });
});
