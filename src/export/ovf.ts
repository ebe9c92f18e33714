import type { Firmware, OsDefinition } from '../core/index.ts';
import { type Xml, xml, xmlDocument } from '../io/xml.ts';

export interface OvfRequest {
  readonly name: string;
  readonly os: Pick<OsDefinition, 'title' | 'version' | 'ovf'>;
  readonly firmware: Firmware;
  readonly cpus: number;
  readonly memoryMiB: number;
  /** VMware virtual hardware version: 15 for `vmx-15` (ESXi 6.7 U2). */
  readonly hardwareVersion: number;
  readonly disk: {
    /** Name of the streamOptimized VMDK beside the descriptor, and its size. */
    readonly fileName: string;
    readonly fileBytes: number;
    readonly capacityBytes: number;
    /** Bytes of the disk that hold data. */
    readonly populatedBytes: number;
  };
  /** Read-only facts for the ProductSection; KUBERNETES_SEMVER also makes the product's version. */
  readonly properties: Readonly<Record<string, string>>;
  /** Text of a licence the user must accept on import. */
  readonly eula?: string | undefined;
}

/** The one network of the machine; whoever imports it maps it to one of theirs. */
const NETWORK = 'nic0';

/** One device. CIM fixes the order of the elements in a resource allocation: alphabetical. */
interface Item {
  readonly addressOnParent?: number;
  readonly allocationUnits?: string;
  readonly automaticAllocation?: boolean;
  readonly address?: number;
  readonly connection?: string;
  readonly description?: string;
  readonly elementName: string;
  readonly hostResource?: string;
  readonly parent?: number;
  readonly resourceSubType?: string;
  /** DMTF CIM_ResourceAllocationSettingData.ResourceType. */
  readonly resourceType: number;
  readonly virtualQuantity?: number;
  /** Whether an importer may leave it out. */
  readonly isOptional?: boolean;
}

/**
 * The OVF 1.1 descriptor (DMTF DSP0243) of a one-disk machine for VMware: paravirtual SCSI, VMXNET3. Pure; the same request gives the
 * same text. Property names are those of image-builder, which Cluster API's tools look at.
 */
export function ovfDescriptor(request: OvfRequest): string {
  const { name, os, disk, eula } = request;
  const kubernetes = request.properties['KUBERNETES_SEMVER'];
  const product = kubernetes === undefined ? os.title : `${os.title} and Kubernetes ${kubernetes}`;
  const version = kubernetes === undefined ? os.version : `kube-${kubernetes}`;
  return xmlDocument(xml`
    <Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1"
              xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
              xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
              xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData"
              xmlns:vmw="http://www.vmware.com/schema/ovf">
      <References>
        <File ovf:id="file1" ovf:href="${disk.fileName}" ovf:size="${disk.fileBytes}"/>
      </References>
      <DiskSection>
        <Info>The disk</Info>
        <Disk ovf:diskId="vmdisk1" ovf:fileRef="file1" ovf:capacity="${disk.capacityBytes}" ovf:capacityAllocationUnits="byte" ovf:populatedSize="${disk.populatedBytes}" ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/>
      </DiskSection>
      <NetworkSection>
        <Info>The networks to map</Info>
        <Network ovf:name="${NETWORK}">
          <Description>Network of the first adapter</Description>
        </Network>
      </NetworkSection>
      <VirtualSystem ovf:id="${name}">
        <Info>A Kubernetes node image</Info>
        <Name>${name}</Name>
        <AnnotationSection>
          <Info>What this is</Info>
          <Annotation>Cluster API image - ${product}</Annotation>
        </AnnotationSection>
        ${eula === undefined ? undefined : eulaSection(eula)}
        <ProductSection>
          <Info>What is installed</Info>
          <Product>${product}</Product>
          <Version>${version}</Version>
          <FullVersion>${version}</FullVersion>
          <Category>Cluster API Provider (CAPI)</Category>
          ${Object.entries(request.properties)
            .sort(([a], [b]) => (a < b ? -1 : 1))
            .map(([key, value]) => property(key, value))}
        </ProductSection>
        <OperatingSystemSection ovf:id="${os.ovf.id}" ovf:version="${os.version}" vmw:osType="${os.ovf.type}">
          <Info>The operating system</Info>
          <Description>${os.ovf.description}</Description>
        </OperatingSystemSection>
        <VirtualHardwareSection>
          <Info>The hardware it needs</Info>
          <System>
            <vssd:ElementName>Virtual Hardware Family</vssd:ElementName>
            <vssd:InstanceID>0</vssd:InstanceID>
            <vssd:VirtualSystemIdentifier>${name}</vssd:VirtualSystemIdentifier>
            <vssd:VirtualSystemType>vmx-${request.hardwareVersion}</vssd:VirtualSystemType>
          </System>
          ${devices(request).map((item, index) => device(item, index + 1))}
          <vmw:Config ovf:required="false" vmw:key="firmware" vmw:value="${request.firmware === 'uefi' ? 'efi' : 'bios'}"/>
          <vmw:Config ovf:required="false" vmw:key="bootOptions.efiSecureBootEnabled" vmw:value="false"/>
        </VirtualHardwareSection>
      </VirtualSystem>
    </Envelope>
  `);
}

/** Instance numbers count from 1 in this order; `parent` below refers to them. */
function devices({ cpus, memoryMiB }: OvfRequest): readonly Item[] {
  const scsi = 3;
  const ide = 4;
  return [
    {
      elementName: `${cpus} virtual CPU(s)`,
      description: 'Number of virtual CPUs',
      allocationUnits: 'hertz * 10^6',
      resourceType: 3,
      virtualQuantity: cpus,
    },
    {
      elementName: `${memoryMiB} MB of memory`,
      description: 'Memory size',
      allocationUnits: 'byte * 2^20',
      resourceType: 4,
      virtualQuantity: memoryMiB,
    },
    { elementName: 'SCSI controller 0', address: 0, resourceSubType: 'VirtualSCSI', resourceType: 6 },
    { elementName: 'IDE controller 0', address: 0, resourceType: 5 },
    { elementName: 'Hard disk 1', addressOnParent: 0, parent: scsi, hostResource: 'ovf:/disk/vmdisk1', resourceType: 17 },
    {
      elementName: 'CD/DVD drive 1',
      addressOnParent: 0,
      automaticAllocation: false,
      parent: ide,
      resourceSubType: 'vmware.cdrom.remotepassthrough',
      resourceType: 15,
      isOptional: true,
    },
    {
      elementName: 'Network adapter 1',
      addressOnParent: 7,
      automaticAllocation: true,
      connection: NETWORK,
      resourceSubType: 'VmxNet3',
      resourceType: 10,
    },
    { elementName: 'Video card', automaticAllocation: false, resourceType: 24, isOptional: true },
  ];
}

function device(item: Item, instance: number): Xml {
  const rasd = (name: string, value: string | number | boolean | undefined): readonly Xml[] =>
    value === undefined ? [] : [xml`<rasd:${name}>${value}</rasd:${name}>`];
  const elements = [
    ...rasd('Address', item.address),
    ...rasd('AddressOnParent', item.addressOnParent),
    ...rasd('AllocationUnits', item.allocationUnits),
    ...rasd('AutomaticAllocation', item.automaticAllocation),
    ...rasd('Connection', item.connection),
    ...rasd('Description', item.description),
    ...rasd('ElementName', item.elementName),
    ...rasd('HostResource', item.hostResource),
    ...rasd('InstanceID', instance),
    ...rasd('Parent', item.parent),
    ...rasd('ResourceSubType', item.resourceSubType),
    ...rasd('ResourceType', item.resourceType),
    ...rasd('VirtualQuantity', item.virtualQuantity),
  ];
  return xml`
    <Item${item.isOptional === true ? xml` ovf:required="false"` : undefined}>
      ${elements}
    </Item>
  `;
}

function property(key: string, value: string): Xml {
  return xml`<Property ovf:key="${key}" ovf:type="string" ovf:userConfigurable="false" ovf:value="${value}"/>`;
}

function eulaSection(text: string): Xml {
  return xml`
    <EulaSection>
      <Info>The licence to accept</Info>
      <License>${text}</License>
    </EulaSection>
  `;
}
