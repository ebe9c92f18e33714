import { spawnSync } from 'node:child_process';

export * from '../../src/testing/leftovers.ts';

/** Files below the folders that hold the text. */
export function filesWith(text: string, folders: readonly string[]): readonly string[] {
  const { stdout, stderr, status } = spawnSync('grep', ['-rlaF', '--', text, ...folders], { encoding: 'utf8' });
  if (status !== 0 && status !== 1) throw new Error(`grep: ${stderr}`);
  return stdout.split('\n').filter((line) => line !== '');
}
