import { type Xml, xml, xmlDocument } from '../../src/io/xml.ts';

/** A storage volume to be made. */
export interface NewVolume {
  readonly name: string;
  /** Virtual size of a qcow2 volume; 0 for a raw one that is about to be written. */
  readonly bytes: number;
  readonly format: 'qcow2' | 'raw';
  /** Path on the host of the qcow2 volume below it. */
  readonly backingPath?: string;
}

/** A volume as `virsh vol-create` takes it (https://libvirt.org/formatstorage.html), readable by its owner alone. Pure. */
export function volumeXml({ name, bytes, format, backingPath }: NewVolume): string {
  return xmlDocument(xml`
    <volume>
      <name>${name}</name>
      <capacity unit="bytes">${bytes}</capacity>
      <allocation unit="bytes">0</allocation>
      <target>
        <format type="${format}"/>
        <permissions>
          <mode>0600</mode>
        </permissions>
      </target>
      ${backing(backingPath)}
    </volume>
  `);
}

function backing(path: string | undefined): Xml | undefined {
  if (path === undefined) return undefined;
  return xml`
    <backingStore>
      <path>${path}</path>
      <format type="qcow2"/>
    </backingStore>
  `;
}

/** A number of bytes that `virsh vol-dumpxml` names: 0 for an element that is not there. */
export function bytesIn(dump: string, element: 'capacity' | 'allocation' | 'physical'): number {
  return Number(new RegExp(`<${element} unit=['"]bytes['"]>(\\d+)</${element}>`).exec(dump)?.[1] ?? 0);
}
