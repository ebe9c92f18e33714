import type { Arch, BaseImage, Context, LocalSource } from '../../core/index.ts';
import { bootstrapBase } from './bootstrap.ts';
import { cloudImageBase } from './cloud-image.ts';
import { fileBase } from './file.ts';

/** Brings a base to this host and makes sure of it. The image is only ever read; what it costs to fetch or assemble is cached. */
export async function fetchBase(source: LocalSource, arch: Arch, context: Context): Promise<BaseImage> {
  switch (source.kind) {
    case 'cloud-image':
      return cloudImageBase(source, context);
    case 'file':
      return fileBase(source, context);
    case 'bootstrap':
      return context.span.run('fetch', `Debian ${source.suite} base`, (span) =>
        bootstrapBase(source, arch, { ...context, span }),
      );
  }
}
