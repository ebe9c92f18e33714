import { spawnSync } from 'node:child_process';

/** Shells that a guest's /bin/sh may be: dash on Debian, bash on Enterprise Linux. Those not on this host are left out. */
const SHELLS: readonly (readonly [string, ...string[]])[] = (
  [
    ['sh', '-n'],
    ['dash', '-n'],
    ['bash', '--posix', '-n'],
  ] as const
).filter(([program]) => spawnSync(program, ['-c', ':']).status === 0);

/** What a shell has to say against the script's syntax; empty when it can read it. */
export function syntaxErrors(script: string): string {
  return SHELLS.map(([program, ...args]) => {
    const { status, stderr } = spawnSync(program, args, { input: script, encoding: 'utf8' });
    return status === 0 && stderr === '' ? '' : `${program}: ${stderr}`;
  }).join('');
}
