import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** A folder that stands for a machine, with commands that are not the host's. Removed when the test ends. */
export interface FakeMachine {
  readonly root: string;
  /** Writes a file below the root. */
  put(path: string, text: string): Promise<void>;
  /** What the commands were called with, a line each, since the last time this was asked. */
  calls(): Promise<readonly string[]>;
  /** Runs a script with the fakes before the host's own commands. */
  run(script: string): { readonly status: number | null; readonly output: string };
}

/**
 * `commands` are bodies of shell functions by name; each call is noted first. The host's own commands stay reachable for what is harmless
 * (cat, sed, sort), so every command that touches the machine must be among the fakes.
 */
export async function fakeMachine(commands: Readonly<Record<string, string>>): Promise<FakeMachine> {
  const root = await mkdtemp(join(tmpdir(), 'kib-fake-'));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  const bin = join(root, 'bin');
  const log = join(root, 'calls');
  await mkdir(bin);
  await writeFile(log, '');
  for (const [name, body] of Object.entries(commands)) {
    const text = `#!/bin/sh\necho "${name} $*" >>${log}\nroot=${root}\n${body}\n`;
    await writeFile(join(bin, name), text, { mode: 0o755 });
  }
  return {
    root,
    async put(path, text) {
      await mkdir(join(root, path, '..'), { recursive: true });
      await writeFile(join(root, path), text, { mode: 0o755 });
    },
    async calls() {
      const text = await readFile(log, 'utf8');
      await writeFile(log, '');
      return text.split('\n').filter((line) => line !== '');
    },
    run(script) {
      const { status, stdout, stderr } = spawnSync('sh', ['-s'], {
        input: script,
        encoding: 'utf8',
        env: { PATH: `${bin}:/usr/bin:/bin`, HOME: root },
        timeout: 20_000,
      });
      return { status, output: `${stdout}${stderr}` };
    },
  };
}
