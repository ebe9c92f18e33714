import type { BaseSource } from './base.ts';

/** Names of CPU architectures as Kubernetes and Debian spell them. */
export type Arch = 'amd64' | 'arm64';
export type Firmware = 'bios' | 'uefi';
/** `rhel` is everything built like Enterprise Linux, Amazon Linux too. */
export type OsFamily = 'debian' | 'rhel' | 'photon';
export type PackageManager = 'apt' | 'dnf' | 'yum' | 'tdnf' | 'zypper';

/** What is particular about one operating system. Data only: nothing here runs. */
export interface OsDefinition {
  /** Catalog name, `debian13`. */
  readonly id: string;
  /** Other names that are understood: image-builder's `ubuntu-2404`. Without the id. */
  readonly aliases: readonly string[];
  /** For people: `Debian 13 (trixie)`. */
  readonly title: string;
  readonly family: OsFamily;
  /** os-release ID, and VERSION_ID without the point release that a rolling image moves on (`10` for 10.2). */
  readonly distribution: string;
  readonly version: string;
  readonly codename?: string;
  readonly packageManager: PackageManager;
  /** Last day of updates that cost nothing, `2030-06-30`; from then on a build warns once. Absent where none is announced. */
  readonly endOfLife?: string;
  /** Base sources per architecture; the first one that the driver can start from is the default. Empty where the user brings a base. */
  readonly bases: Readonly<Partial<Record<Arch, readonly BaseSource[]>>>;
  /** Where to get a base that the catalog cannot offer, for the hint of an error. */
  readonly bring?: string;
  /** Which firmware the amd64 base boots on; the first is the default. On arm64 it is UEFI everywhere. */
  readonly firmware: readonly Firmware[];
  /** Account that cloud-init creates by default; the verdict expects no other one to be left. */
  readonly defaultUser: string;
  readonly selinux: boolean;
  /** Lowest x86-64 level the user space runs on (Enterprise Linux 10 needs 3). */
  readonly x86Level: 1 | 2 | 3;
  /** Set where cloud-init, older than 21.3, has no datasource for VMware, so that guestinfo has to become a seed of NoCloud. */
  readonly lacksVmwareDatasource?: true;
  /** systemd unit of the SSH server. */
  readonly sshUnit: string;
  /** VMware `ovf:id` and `vmw:osType` of the OVF OperatingSystemSection (CIM_OperatingSystem). */
  readonly ovf: { readonly id: number; readonly type: string; readonly description: string };
}
