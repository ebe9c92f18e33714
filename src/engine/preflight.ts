import { type BuildPlan, type Context, type Finding, KibError } from '../core/index.ts';
import { findTools } from '../io/programs.ts';
import type { ResolvedImage } from '../plan/resolved.ts';
import { baseTools } from './base/tools.ts';

/**
 * Throws one error that names everything this host lacks for the build: the programs of the driver, the base and the exporters. Returns
 * what the driver found, by name: hypervisor version, accelerator, firmware.
 */
export async function preflight(
  image: ResolvedImage,
  plan: BuildPlan,
  context: Context,
): Promise<Readonly<Record<string, string>>> {
  const findings = await image.driver.doctor(image.driverOptions, plan.machine, context.signal, {
    folder: context.dirs.cache,
    isRenewed: false,
  });
  const tools = await findTools([...baseTools(plan.base), ...image.exporters.flatMap(({ exporter }) => exporter.tools)]);
  // The driver and an exporter may want the same program.
  const all = new Map<string, Finding>([...tools, ...findings].map((finding) => [finding.name, finding]));
  const missing = [...all.values()].filter((finding) => finding.status === 'missing');
  const [first] = missing;
  if (first === undefined) return Object.fromEntries(findings.map((finding) => [finding.name, finding.detail]));
  throw new KibError(
    'KIB_TOOL_MISSING',
    `this host lacks ${missing.map((finding) => `${finding.name} (${finding.detail})`).join(', ')}`,
    {
      hint: missing.every((finding) => finding.packages !== undefined)
        ? `kib-native doctor --install --arch ${plan.machine.arch}`
        : (first.fix ?? 'kib-native doctor'),
      details: { missing },
    },
  );
}
