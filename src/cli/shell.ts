import type { MachineAccess } from '../engine/request.ts';
import { runInteractive } from '../io/interactive.ts';

/** Opens ssh(1) on a build's machine, or runs a command there, on this terminal. Resolves with ssh's exit status. */
export function openShell(access: MachineAccess, command: readonly string[], signal: AbortSignal): Promise<number> {
  return runInteractive('ssh', sshArguments(access, command), signal);
}

/** Nothing of the user's own ssh configuration applies: only this key and only the pinned host key count. */
export function sshArguments(
  { endpoint, username, keyFile, knownHostsFile }: MachineAccess,
  command: readonly string[],
): string[] {
  const options = [
    'IdentitiesOnly=yes',
    `UserKnownHostsFile=${knownHostsFile}`,
    'GlobalKnownHostsFile=none',
    'StrictHostKeyChecking=yes',
    'LogLevel=ERROR',
  ];
  const login = ['-F', 'none', '-i', keyFile, '-p', String(endpoint.port), '-l', username];
  return [...login, ...options.flatMap((option) => ['-o', option]), endpoint.host, ...command];
}
