import type { Exporter } from '../core/index.ts';
import { ovaExporter } from './ova.ts';
import { qcow2Exporter } from './qcow2.ts';
import { rawExporter } from './raw.ts';

export { type Manifest, type ManifestInput, manifest, manifestText, writeManifest } from './manifest.ts';

/** Every format this package can write. */
export const exporters: readonly Exporter[] = [qcow2Exporter, rawExporter, ovaExporter];
