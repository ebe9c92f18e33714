import { Command } from 'commander';
import { toJsonSchema } from '../../config/schema.ts';
import type { Cli } from '../cli.ts';

export function schemaCommand(cli: Cli): Command {
  return new Command('schema').description('print the JSON Schema of image files, for editors').action(async () => {
    cli.printJson(toJsonSchema(await cli.registry()));
  });
}
