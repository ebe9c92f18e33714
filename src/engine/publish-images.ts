import type { ArtifactSubject, Context, ImageFormat, PublishedImages, SealedDisk } from '../core/index.ts';
import type { ResolvedImage } from '../plan/resolved.ts';

/** Makes every image that the hypervisor is to keep; all of them go with the context's scope until they are kept. */
export async function publishImages(
  { spec, driver, driverOptions }: Pick<ResolvedImage, 'spec' | 'driver' | 'driverOptions'>,
  disk: SealedDisk,
  { name, os, machine, properties }: ArtifactSubject,
  context: Context,
): Promise<PublishedImages> {
  const subject: ArtifactSubject = { name, os, machine, properties };
  const published: PublishedImages[] = [];
  for (const format of spec.formats.filter(isImageFormat)) {
    const made = await context.span.run('export', format, async (span) => {
      if (driver.images === undefined) throw new Error(`driver ${driver.name} offers ${format} but keeps no images`);
      const made = await driver.images.publish(disk, format, subject, driverOptions, { ...context, span });
      for (const image of made.images) span.emit({ type: 'image', image });
      return made;
    });
    published.push(made);
  }
  return {
    images: published.flatMap(({ images }) => images),
    keep: async () => {
      for (const each of published) await each.keep();
    },
  };
}

function isImageFormat(format: string): format is ImageFormat {
  return format === 'ami' || format === 'template';
}
