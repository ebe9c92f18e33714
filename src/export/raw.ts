import { z } from 'zod';
import type { Exporter } from '../core/index.ts';
import { exportConverted } from './convert.ts';

const options = z.strictObject({});

/** The disk byte for byte. The file is sparse: zeroes take no room where the file system has holes. */
export const rawExporter: Exporter<z.infer<typeof options>> = {
  format: 'raw',
  summary: 'bare metal and dd: the disk byte for byte, sparse',
  options,
  tools: ['qemu-img'],
  export(disk, subject, outputDir, _options, context) {
    return exportConverted(disk, subject, outputDir, { format: 'raw', compress: false, options: {} }, context);
  },
};
