import { type Arch, type BaseImage, type BaseSource, type Context, KibError } from '../../core/index.ts';
import { bootstrapBase } from './bootstrap.ts';
import { cloudImageBase } from './cloud-image.ts';
import { fileBase } from './file.ts';

/** Brings a base to this host and makes sure of it. The image is only ever read; what it costs to fetch or assemble is cached. */
export async function fetchBase(source: BaseSource, arch: Arch, context: Context): Promise<BaseImage> {
  switch (source.kind) {
    case 'cloud-image':
      return cloudImageBase(source, context);
    case 'ami':
    case 'template':
      throw new KibError('KIB_BASE_REMOTE', `a base of kind ${source.kind} cannot be fetched to this host`, {
        hint: 'build it with the driver of the hypervisor that has it, or choose another base',
      });
    case 'file':
      return fileBase(source, context);
    case 'bootstrap':
      return context.span.run('fetch', `Debian ${source.suite} base`, (span) =>
        bootstrapBase(source, arch, { ...context, span }),
      );
  }
}
