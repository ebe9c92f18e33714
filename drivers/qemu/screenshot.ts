import { readFile, rm, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { isKibError } from '../../src/core/index.ts';
import { ppmToPng } from '../../src/io/png.ts';
import type { QmpConnection } from '../../src/io/qmp.ts';

/** Writes what the display shows as a PNG. Throws KIB_QMP. */
export async function screenshot(qmp: QmpConnection, path: string, signal: AbortSignal): Promise<void> {
  const filename = resolve(path);
  try {
    await qmp.execute('screendump', { filename, format: 'png' }, { signal });
  } catch (error) {
    // QEMU before 7.1 knows PPM alone and refuses the argument.
    if (!isKibError(error) || error.details['class'] !== 'GenericError' || !error.message.includes("'format'")) throw error;
    const ppm = `${filename}.ppm`;
    try {
      await qmp.execute('screendump', { filename: ppm }, { signal });
      await writeFile(filename, ppmToPng(await readFile(ppm)));
    } finally {
      await rm(ppm, { force: true });
    }
  }
}
