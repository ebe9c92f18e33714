import { describe, expect, it } from 'vitest';
import { diskFile, withDisk } from '../../../../drivers/vmware/deltas.ts';

const VMX = '/vms/kib-1/kib-1.vmx';

describe('the disk of a machine', () => {
  it.each([
    ['pvscsi', 'scsi0:0.fileName', 'disk.vmdk', '/vms/kib-1/disk.vmdk'],
    // As VMware writes its own keys, and where a snapshot's delta is elsewhere.
    ['sata', 'SATA0:0.filename', '/deltas/disk-000002.vmdk', '/deltas/disk-000002.vmdk'],
    ['nvme', 'nvme0:0.fileName', 'disk-000001.vmdk', '/vms/kib-1/disk-000001.vmdk'],
  ] as const)('on %s is what %s names', (diskInterface, key, name, path) => {
    expect(
      diskFile(
        new Map([
          ['displayName', 'x'],
          [key, name],
        ]),
        VMX,
        { diskInterface },
      ),
    ).toBe(path);
  });

  it.each([[[]], [[['scsi0:0.fileName', '']]], [[['sata0:0.fileName', 'disk.vmdk']]]] as const)(
    'is missing in %j',
    (settings) => {
      const wanted = () => diskFile(new Map<string, string>(settings), VMX, { diskInterface: 'pvscsi' });
      expect(wanted).toThrow(expect.objectContaining({ code: 'KIB_VMRUN' }));
    },
  );

  it('is replaced where it stands, however its key is spelled', () => {
    const settings = new Map([
      ['scsi0:0.FileName', 'disk-000003.vmdk'],
      ['scsi0:1.fileName', 'other.vmdk'],
    ]);
    expect([...withDisk(settings, 'disk.vmdk', { diskInterface: 'lsilogic' })]).toEqual([
      ['scsi0:0.FileName', 'disk.vmdk'],
      ['scsi0:1.fileName', 'other.vmdk'],
    ]);
  });
});
