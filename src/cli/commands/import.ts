import { Command } from 'commander';
import { importPacker } from '../../config/packer/import/index.ts';
import type { Cli } from '../cli.ts';

interface ImportOptions {
  readonly image?: string;
  readonly builder?: string;
}

export function importCommand(cli: Cli): Command {
  return new Command('import')
    .description('print the image file that a Packer template, or variable files of image-builder, come to')
    .argument('<file...>', 'a template, .json or .pkr.hcl, and variable files, .json or .pkrvars.hcl; or variable files alone')
    .option('--image <name>', 'catalog name of the system; default: what the files speak of')
    .option('--builder <name>', 'which builder of a template with several, by name or type; default: the first')
    .action(async (files: readonly string[], { image, builder }: ImportOptions) => {
      const { cwd, env } = cli.io;
      const imported = await importPacker({
        files,
        cwd,
        env,
        registry: await cli.registry(),
        ...(image === undefined ? {} : { image }),
        ...(builder === undefined ? {} : { builder }),
      });
      cli.print(imported.yaml);
      const count = imported.notes.length;
      if (count > 0)
        cli.say(`${count} ${count === 1 ? 'thing is' : 'things are'} not carried over; the end of the file says which and why`);
    });
}
