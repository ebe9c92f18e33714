import type { z } from 'zod';
import type { Context } from './context.ts';
import type { FileDisk } from './disk.ts';
import type { MachineSpec } from './machine.ts';
import type { OsDefinition } from './os.ts';

export type FileFormat = 'qcow2' | 'raw' | 'ova';
/** Images that a hypervisor keeps itself: an Amazon machine image, a template of vCenter. */
export type ImageFormat = 'ami' | 'template';
export type Format = FileFormat | ImageFormat;

/** One finished file. Its `<path>.sha256` stands beside it in sha256sum(1) form. */
export interface Artifact {
  readonly format: FileFormat;
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
  /** Where the disk image lies inside the file, for booting and comparing it without unpacking. */
  readonly disk: { readonly format: 'qcow2' | 'raw' | 'vmdk'; readonly offset: number; readonly bytes: number };
}

/** One finished image that stays with the hypervisor. */
export interface RemoteImage {
  readonly format: ImageFormat;
  /** What it is used by: `ami-0abc…`, the name of a template. */
  readonly id: string;
  /** Where it is: `eu-central-1`, a content library. */
  readonly location: string;
  /** For manifest and report: name, snapshot, encryption key, who it is shared with. */
  readonly facts: Readonly<Record<string, string>>;
}

/** What the disk is, for names and descriptors. */
export interface ArtifactSubject {
  /** `debian13-kube-v1.36.1`: folder and file stem. */
  readonly name: string;
  readonly os: OsDefinition;
  readonly machine: MachineSpec;
  /** OVF ProductSection and manifest properties: DISTRO_NAME, KUBERNETES_SEMVER … */
  readonly properties: Readonly<Record<string, string>>;
}

/**
 * Writes one format. The file appears under its final name only when complete: it is written beside it under a temporary
 * name that the context's scope and journal know, then renamed.
 */
export interface Exporter<O = unknown> {
  readonly format: FileFormat;
  readonly summary: string;
  readonly options: z.ZodType<O>;
  /** Host programs it runs, for doctor. */
  readonly tools: readonly string[];
  export(disk: FileDisk, subject: ArtifactSubject, outputDir: string, options: O, context: Context): Promise<Artifact>;
}
