import type { Context, Scope } from '../../src/core/index.ts';
import { toolMissing } from '../../src/io/process.ts';
import { findProgram } from '../../src/io/programs.ts';
import { Daemon } from './daemon.ts';
import { pidfileWords, SWTPM_PROCESS } from './reap.ts';

export interface SwtpmFiles {
  /** Folder for the TPM's state; it exists. */
  readonly state: string;
  readonly socket: string;
  readonly pidfile: string;
}

/** The swtpm(8) command; it ends by itself when QEMU goes away. */
export function swtpmArgv(program: string, files: SwtpmFiles): readonly string[] {
  const pidfile = pidfileWords(SWTPM_PROCESS, files.pidfile);
  return [
    [program, 'socket', '--tpm2', '--tpmstate', `dir=${files.state}`],
    ['--ctrl', `type=unixio,path=${files.socket}`, '--terminate'],
    pidfile,
  ].flat();
}

/** Throws KIB_TOOL_MISSING when swtpm is not installed. */
export async function findSwtpm(): Promise<string> {
  const program = await findProgram('swtpm');
  if (program === undefined) throw toolMissing('swtpm');
  return program;
}

/** Starts the TPM emulator, known to journal and scope before it runs. */
export async function startSwtpm(
  argv: readonly string[],
  files: SwtpmFiles,
  log: string,
  scope: Scope,
  context: Pick<Context, 'journal' | 'clock'>,
): Promise<Daemon> {
  const released = await context.journal.acquire({ kind: SWTPM_PROCESS, id: files.pidfile, data: { pidfile: files.pidfile } });
  let daemon: Daemon | undefined;
  scope.defer('swtpm', async () => {
    await daemon?.stop();
    await released();
  });
  daemon = await Daemon.start(argv, log, context.clock);
  return daemon;
}
