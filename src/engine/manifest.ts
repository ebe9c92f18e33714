import type { Artifact, BaseImage, BuildPlan, CheckResult, Context, RemoteBase, RemoteImage } from '../core/index.ts';
import { manifest, writeManifest } from '../export/manifest.ts';
import { packageVersion } from '../io/package-info.ts';
import { artifactKey } from './artifact-key.ts';
import { isPausing } from './breakpoints.ts';
import type { GuestPackage } from './guest-packages.ts';
import type { Phase } from './phases.ts';
import type { BuildRequest } from './request.ts';

export interface ManifestFacts {
  readonly request: BuildRequest;
  readonly plan: BuildPlan;
  /** Host programs by what doctor said of them. */
  readonly tools: Readonly<Record<string, string>>;
  readonly base: BaseImage | RemoteBase;
  /** What the OVF says of the image. */
  readonly properties: Readonly<Record<string, string>>;
  readonly packages: readonly GuestPackage[];
  readonly artifacts: readonly Artifact[];
  readonly images: readonly RemoteImage[];
  readonly checks: readonly CheckResult[];
  readonly phases: readonly Phase[];
}

/** Writes manifest.json into the folder of the artifacts: what went in, what came out, what was proven. Returns its path. */
export async function recordManifest(facts: ManifestFacts, dir: string, context: Context): Promise<string> {
  const value = manifest({
    buildId: context.buildId,
    key: artifactKey(facts.plan, isPausing(facts.plan, facts.request)),
    isVerified: facts.request.verify,
    createdMs: context.clock.now(),
    tools: { 'kib-native': packageVersion(), node: process.version, ...facts.tools },
    spec: facts.request.image.spec,
    plan: { ...facts.plan, properties: facts.properties },
    base: facts.base,
    requirements: facts.plan.requirements,
    packages: facts.packages,
    phases: facts.phases,
    artifacts: facts.artifacts,
    images: facts.images,
    checks: facts.checks,
  });
  return writeManifest(value, dir, context);
}
