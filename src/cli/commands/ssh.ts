import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import { z } from 'zod';
import { nearest } from '../../config/nearest.ts';
import { KibError, systemCode } from '../../core/index.ts';
import { buildStateDir } from '../../engine/build-dirs.ts';
import { ACCESS_FILE } from '../../engine/failure-mode.ts';
import type { MachineAccess } from '../../engine/request.ts';
import type { Cli } from '../cli.ts';
import { stateHome } from '../io.ts';
import { openShell } from '../shell.ts';

const accessSchema: z.ZodType<MachineAccess> = z.object({
  build: z.string(),
  endpoint: z.object({ host: z.string(), port: z.number() }),
  username: z.string(),
  keyFile: z.string(),
  knownHostsFile: z.string(),
});

export function sshCommand(cli: Cli): Command {
  return new Command('ssh')
    .description('log in to the machine of a build that was kept (build --on-error keep)')
    .argument('<build>', 'id of the build, as it was printed')
    .argument('[command...]', 'command to run there instead of a shell')
    .passThroughOptions()
    .action(async (build: string, command: readonly string[]) => {
      cli.exitCode = await openShell(await readAccess(stateHome(cli.io.env), build), command, cli.io.signal);
    });
}

/** How to log in to a kept build's machine. Throws KIB_USAGE when there is no such build, or it has no machine. */
export async function readAccess(home: string, build: string): Promise<MachineAccess> {
  const path = join(buildStateDir(home, build), ACCESS_FILE);
  try {
    return accessSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (error) {
    if (systemCode(error) !== 'ENOENT' && systemCode(error) !== 'ENOTDIR') throw error;
    const builds = await readdir(buildStateDir(home, '.')).catch((): string[] => []);
    if (builds.includes(build)) {
      throw new KibError('KIB_USAGE', `build ${build} kept no machine`, { hint: 'kib-native build … --on-error keep' });
    }
    const near = nearest(build, builds);
    throw new KibError('KIB_USAGE', `there is no build ${build}`, {
      hint: near === undefined ? `builds are listed in ${buildStateDir(home, '.')}` : `did you mean ${near}?`,
    });
  }
}
