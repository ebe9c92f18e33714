import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type Driver, type Firmware, formatBytes, type ImageSpec, MiB } from '../core/index.ts';
import { machineOf } from '../plan/machine.ts';
import { KUBERNETES } from '../plan/recipe-context.ts';
import type { ChosenExporter, ResolvedImage } from '../plan/resolved.ts';
import { checkSteps } from './check-steps.ts';
import type { Findings } from './findings.ts';
import type { MergedImage } from './merge.ts';
import type { Problem } from './problem.ts';
import { dotted, reportIssues } from './report.ts';
import { resolveBase } from './resolve-base.ts';
import { resolveFiles, resolveHostFiles } from './resolve-files.ts';
import { resolveFolders } from './resolve-folders.ts';
import { resolveRecipes } from './resolve-recipes.ts';
import { checkImage, type Registry, type RootSchema } from './schema.ts';

/** The image, or everything that is wrong with it. */
export type Resolution = { readonly image: ResolvedImage } | { readonly problems: readonly Problem[] };

/**
 * Checks a merged image against the schema, the catalog, the driver and this host's files, and looks every name up. What one problem
 * makes undecidable is left out; everything else is reported together. No network, nothing is created.
 */
export async function resolveImage(merged: MergedImage, root: RootSchema, registry: Registry): Promise<Resolution> {
  const { values: given, issues } = checkImage(root, merged.input);
  const driver = registry.drivers.find((candidate) => candidate.name === driverName(given));
  const values = withDriversFormat(given, merged, driver);
  const problems: Problem[] = [...reportIssues(issues, root, (path, part) => merged.locate(path, part))];
  const os = registry.catalog.find((entry) => entry.id === values.image);
  const found: Findings = {
    merged,
    values: withAbsoluteDir(values, merged),
    os,
    failed: (key) => issues.some((issue) => issue.path[0] === key),
    add: (path, message, hint, code) => {
      problems.push({
        path: dotted(path),
        message,
        hint,
        source: merged.locate(path, 'value'),
        ...(code === undefined ? {} : { code }),
      });
    },
  };
  checkSizes(found);
  await checkKubernetesDir(found);
  const firmware = resolveFirmware(found, driver);
  checkCapabilities(found, driver);
  checkMachine(found, driver, firmware);
  const base = await resolveBase(found, driver);
  const read = await resolveHostFiles(found);
  const recipes = read === undefined ? undefined : resolveRecipes({ ...found, values: read }, registry);
  const provisionFiles = await resolveFiles(found);
  const provisionFolders = await resolveFolders(found);
  checkSteps(found, registry, recipes);
  if (problems.length > 0) return { problems };
  if (os === undefined || driver === undefined || base === undefined || recipes === undefined || firmware === undefined) {
    throw new Error(`${merged.name} was left unresolved without a problem`);
  }
  const spec = read as ImageSpec;
  const driverOptions = optionsOf(spec);
  const exporters = exportersOf(spec, registry);
  return {
    image: {
      dir: merged.dirOf([]),
      name: spec.name ?? spec.image,
      spec,
      os,
      base,
      firmware,
      driver,
      driverOptions,
      recipes,
      exporters,
      provisionFiles,
      provisionFolders,
    },
  };
}

function optionsOf(spec: ImageSpec): unknown {
  const { name: _, ...options } = spec.driver as { name: string };
  return options;
}

function driverName({ driver }: Partial<ImageSpec>): string | undefined {
  return typeof driver === 'string' ? driver : driver?.name;
}

/** Without a word about formats, what the driver makes first. */
function withDriversFormat(values: Partial<ImageSpec>, merged: MergedImage, driver: Driver | undefined): Partial<ImageSpec> {
  const [first] = driver?.capabilities.formats ?? [];
  return first === undefined || Object.hasOwn(merged.input, 'formats') ? values : { ...values, formats: [first] };
}

function withAbsoluteDir(values: Partial<ImageSpec>, merged: MergedImage): Partial<ImageSpec> {
  const { kubernetes } = values;
  if (kubernetes?.dir === undefined) return values;
  return { ...values, kubernetes: { ...kubernetes, dir: resolve(merged.dirOf([KUBERNETES, 'dir']), kubernetes.dir) } };
}

// A bare number is bytes; nobody means a machine of 4096 bytes.
function checkSizes(found: Findings): void {
  for (const key of ['memory', 'disk'] as const) {
    const bytes = found.values[key];
    if (bytes === undefined || bytes >= MiB) continue;
    found.add([key], `must be a size such as 4GiB, got ${formatBytes(bytes)}`, `did you mean ${bytes}MiB?`);
  }
}

async function checkKubernetesDir(found: Findings): Promise<void> {
  const { source, dir } = found.values.kubernetes ?? {};
  if (source !== 'dir' || dir === undefined) return;
  const isFolder = await stat(dir).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
  if (!isFolder) found.add([KUBERNETES, 'dir'], `${dir} is no folder`);
}

function resolveFirmware(found: Findings, driver: Driver | undefined): Firmware | undefined {
  const { os, values } = found;
  if (os === undefined || driver === undefined || values.arch === undefined || found.failed('firmware')) return undefined;
  // PC BIOS exists on PCs only.
  const possible: readonly Firmware[] = values.arch === 'amd64' ? os.firmware : ['uefi'];
  const wanted = values.firmware ?? possible.find((firmware) => driver.capabilities.firmware.includes(firmware)) ?? possible[0];
  if (wanted === undefined || !possible.includes(wanted)) {
    found.add(
      ['firmware'],
      `${os.id} on ${values.arch} boots on ${possible.join(' or ') || 'no known firmware'}, not on ${wanted}`,
    );
    return undefined;
  }
  if (!driver.capabilities.firmware.includes(wanted)) {
    cannot(found, driver, ['firmware'], `firmware ${wanted}`, driver.capabilities.firmware);
    return undefined;
  }
  return wanted;
}

function checkCapabilities(found: Findings, driver: Driver | undefined): void {
  if (driver === undefined) return;
  const { arch, formats } = found.values;
  if (arch !== undefined && !driver.capabilities.arch.includes(arch))
    cannot(found, driver, ['arch'], arch, driver.capabilities.arch);
  for (const [index, format] of (formats ?? []).entries()) {
    if (driver.capabilities.formats.includes(format)) continue;
    cannot(found, driver, ['formats', index], format, driver.capabilities.formats);
  }
}

/** Asks the driver what of its options cannot be with the machine the image wants. */
function checkMachine(found: Findings, driver: Driver | undefined, firmware: Firmware | undefined): void {
  const { os } = found;
  const isKnown = !(['arch', 'cpus', 'memory', 'disk', 'driver'] as const).some((key) => found.failed(key));
  if (os === undefined || driver === undefined || firmware === undefined || !isKnown) return;
  const spec = found.values as ImageSpec;
  for (const { path, message, hint } of driver.validate?.(machineOf({ spec, firmware, os }), optionsOf(spec)) ?? []) {
    found.add(['driver', ...path.split('.')], message, hint, 'KIB_DRIVER_CANNOT');
  }
}

function cannot(found: Findings, driver: Driver, path: readonly PropertyKey[], what: string, can: readonly string[]): void {
  found.add(path, `driver ${driver.name} cannot do ${what}; it can do ${can.join(', ')}`, undefined, 'KIB_DRIVER_CANNOT');
}

function exportersOf(spec: ImageSpec, registry: Registry): readonly ChosenExporter[] {
  return registry.exporters
    .filter((exporter) => spec.formats.includes(exporter.format))
    .map((exporter) => ({ exporter, options: spec.export[exporter.format] }));
}
