import { writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import {
  type Artifact,
  type BaseImage,
  type BuildPlan,
  type CheckResult,
  type Context,
  maskUrls,
  type RemoteBase,
  type RemoteImage,
  type Requirement,
} from '../core/index.ts';
import { writeWhole } from './part-file.ts';

/** What the engine knows when the artifacts are judged. */
export interface ManifestInput {
  readonly buildId: string;
  /** Digest of everything that the artifacts depend on. */
  readonly key: string;
  /** Whether the artifacts were inspected and booted. */
  readonly isVerified: boolean;
  /** Milliseconds since the epoch. */
  readonly createdMs: number;
  /** Versions of what took part: `{ 'kib-native': '0.1.0', node: 'v20.19.0', qemu: '7.2.18' }`. */
  readonly tools: Readonly<Record<string, string>>;
  /** The validated wish. */
  readonly spec: unknown;
  readonly plan: BuildPlan;
  readonly base: BaseImage | RemoteBase;
  /** With the digests of what was really fetched. */
  readonly requirements: readonly Requirement[];
  readonly packages: readonly { readonly name: string; readonly version: string; readonly arch: string }[];
  readonly phases: readonly { readonly kind: string; readonly name: string; readonly status: string; readonly ms: number }[];
  readonly artifacts: readonly Artifact[];
  /** What stays with the hypervisor. */
  readonly images: readonly RemoteImage[];
  readonly checks: readonly CheckResult[];
}

/** manifest.json: what went in, what came out, and what was proven about it. New members may be added within `v`. */
export type Manifest = ReturnType<typeof manifest>;

/** Pure: the same input gives the same value. Artifacts are named relative to the manifest. */
export function manifest(input: ManifestInput) {
  const { plan, base } = input;
  return {
    v: 1,
    name: plan.name,
    build: input.buildId,
    key: input.key,
    verified: input.isVerified,
    created: new Date(input.createdMs).toISOString(),
    tools: input.tools,
    os: { id: plan.os.id, title: plan.os.title, distribution: plan.os.distribution, version: plan.os.version },
    machine: plan.machine,
    properties: plan.properties,
    inputs: {
      spec: input.spec,
      base: {
        source: base.source,
        ...('path' in base ? { format: base.format, bytes: base.bytes } : { id: base.id }),
        sha256: base.sha256,
        facts: base.facts,
      },
      driver: plan.driver.name,
      recipes: plan.recipes,
      layers: plan.layers.map(({ name, key }) => ({ name, key })),
      requirements: input.requirements,
    },
    packages: input.packages,
    artifacts: input.artifacts.map(({ path, ...artifact }) => ({ file: basename(path), ...artifact })),
    images: input.images,
    checks: input.checks,
    phases: input.phases,
  } as const;
}

/** The manifest as JSON text. Public keys are left to their fingerprints; URLs go without login and query. */
export function manifestText(value: Manifest): string {
  return `${maskUrls(JSON.stringify(value, (key, member: unknown) => (key === 'armored' ? undefined : member), 2))}\n`;
}

/** Writes manifest.json into the folder of the artifacts and returns its path. */
export async function writeManifest(value: Manifest, dir: string, context: Context): Promise<string> {
  const path = join(dir, 'manifest.json');
  await writeWhole(path, context, (part) => writeFile(part, manifestText(value)));
  return path;
}
