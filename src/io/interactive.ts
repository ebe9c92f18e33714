import { execa } from 'execa';
import { systemCode } from '../core/index.ts';
import { searchPath, toolMissing } from './process.ts';

/**
 * Runs a program on this process's own terminal and resolves with its exit status, 128 when a signal ended it. Throws KIB_TOOL_MISSING.
 * Aborting ends the program.
 */
export async function runInteractive(program: string, args: readonly string[], signal: AbortSignal): Promise<number> {
  const result = await execa(program, [...args], {
    stdio: 'inherit',
    reject: false,
    cancelSignal: signal,
    env: { PATH: searchPath() },
  });
  if (systemCode(result.cause) === 'ENOENT') throw toolMissing(program, result.cause);
  return result.exitCode ?? 128;
}
