import { type BuildPlan, canonicalJson, sha256 } from '../core/index.ts';
import { packageVersion } from '../io/package-info.ts';
import { actionInputs } from '../plan/keys.ts';

/**
 * Digest of everything that the artifacts of a plan depend on: its last layer, how that is sealed and exported, what is checked, and by which
 * release. With `isTouched` somebody may have changed the guest besides.
 */
export function artifactKey(plan: BuildPlan, isTouched = false): string {
  const { name, os, layers, seal, checks, exports, properties, requirements } = plan;
  return sha256(
    canonicalJson({
      builder: packageVersion(),
      name,
      os: os.id,
      layer: layers.at(-1)?.key,
      seal: actionInputs(seal, requirements, {}).map(({ digest }) => digest),
      checks: checks.map(({ script, ...check }) => ({ ...check, script: script.masked })),
      exports,
      properties,
      ...(isTouched ? { isTouched } : {}),
    }),
  );
}
