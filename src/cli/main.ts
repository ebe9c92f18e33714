import { Command, CommanderError } from 'commander';
import type { Registry } from '../config/schema.ts';
import { type Cli, createCli } from './cli.ts';
import { buildCommand } from './commands/build.ts';
import { cacheCommand } from './commands/cache.ts';
import { catalogCommand } from './commands/catalog.ts';
import { doctorCommand } from './commands/doctor.ts';
import { ec2Command } from './commands/ec2.ts';
import { gcCommand } from './commands/gc.ts';
import { importCommand } from './commands/import.ts';
import { inspectCommand } from './commands/inspect.ts';
import { listCommand } from './commands/list.ts';
import { planCommand } from './commands/plan.ts';
import { publishCommand } from './commands/publish.ts';
import { schemaCommand } from './commands/schema.ts';
import { seedCommand } from './commands/seed.ts';
import { sshCommand } from './commands/ssh.ts';
import { validateCommand } from './commands/validate.ts';
import { vsphereCommand } from './commands/vsphere.ts';
import type { CliIo } from './io.ts';
import { packerOptions } from './packer-options.ts';
import { loadRegistry } from './registry.ts';
import { reportError } from './report-error.ts';
import { packageVersion } from './version.ts';

const COMMANDS = [
  buildCommand,
  planCommand,
  validateCommand,
  inspectCommand,
  listCommand,
  schemaCommand,
  doctorCommand,
  gcCommand,
  sshCommand,
  seedCommand,
  cacheCommand,
  catalogCommand,
  importCommand,
  vsphereCommand,
  ec2Command,
  publishCommand,
];

/** Runs one command line and resolves with the exit status. `argv` is without program names. Never rejects, never ends the process. */
export async function main(argv: readonly string[], io: CliIo, load: () => Promise<Registry> = loadRegistry): Promise<number> {
  const cli = createCli(io, load);
  try {
    await createProgram(cli).parseAsync([...packerOptions(argv)], { from: 'user' });
    return cli.exitCode;
  } catch (error) {
    // Help and version are said by throwing, with status 0; a bare `kib-native` prints its help and is a mistake.
    if (error instanceof CommanderError && (error.exitCode === 0 || error.code === 'commander.help'))
      return error.exitCode === 0 ? 0 : 2;
    const command = COMMANDS.map((create) => create(cli).name()).find((name) => name === argv[0]);
    return reportError(error, io, { json: argv.includes('--json'), debug: argv.includes('--debug'), command });
  }
}

function createProgram(cli: Cli): Command {
  const program = new Command('kib-native')
    .description('Builds Kubernetes node images: boots a base, provisions it, exports it, boots the result and judges it.')
    .version(packageVersion(), '-v, --version')
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .showHelpAfterError(false);
  for (const create of COMMANDS) program.addCommand(prepare(create(cli), cli));
  return prepare(program, cli);
}

// Subcommands made elsewhere inherit nothing by themselves.
function prepare(command: Command, cli: Cli): Command {
  for (const inner of command.commands) prepare(inner, cli);
  return command.exitOverride().configureOutput({
    writeOut: (text) => void cli.io.stdout.write(text),
    writeErr: (text) => void cli.io.stderr.write(text),
    // Said by reportError, in the shape of every other error.
    outputError: () => {},
    getOutHelpWidth: () => cli.io.stdout.columns ?? 100,
  });
}
