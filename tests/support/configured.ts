import { type Configuration, configure } from '../../src/config/configure.ts';
import type { Registry } from '../../src/config/schema.ts';
import { isKibError, type KibError } from '../../src/core/index.ts';
import { testRegistry } from './registry.ts';
import { workspace } from './workspace.ts';

/** What a user has and types. */
export interface Given {
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  /** Default: node.yaml. */
  readonly targets?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly varFiles?: readonly string[];
  readonly vars?: readonly string[];
  readonly flags?: readonly { readonly flag: string; readonly setting: string; readonly value: unknown }[];
  readonly only?: readonly string[];
  readonly except?: readonly string[];
  readonly registry?: Registry;
}

/** Configures it in a folder of its own. */
export async function configured(given: Given): Promise<Configuration> {
  const cwd = await workspace(given.files);
  const { env = {}, varFiles = [], vars = [], flags = [], targets = ['node.yaml'], only, except } = given;
  return configure({
    targets,
    registry: given.registry ?? testRegistry,
    variables: { env, varFiles, vars, flags, cwd },
    ...(only === undefined ? {} : { only }),
    ...(except === undefined ? {} : { except }),
  });
}

/** The one image it makes. */
export async function configuredImage(given: Given) {
  const { images } = await configured(given);
  const [only] = images;
  if (only === undefined || images.length > 1) throw new Error(`${images.length} images`);
  return only;
}

/** The error it is refused with. */
export async function refused(given: Given): Promise<KibError> {
  try {
    await configured(given);
  } catch (error) {
    if (isKibError(error)) return error;
    throw error;
  }
  throw new Error('was accepted');
}

/** The refusal's text, with the test's folder taken out. */
export async function report(given: Given): Promise<string> {
  return (await refused(given)).message.replaceAll(/\/\S*kib-test-\w+/g, '<dir>');
}
