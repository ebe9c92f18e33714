import { join } from 'node:path';
import type { CliIo, TextOutput } from '../../src/cli/io.ts';
import { main } from '../../src/cli/main.ts';
import type { Registry } from '../../src/config/schema.ts';
import { testRegistry } from './registry.ts';
import { workspace } from './workspace.ts';

export interface CliOutcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** The folder it ran in. */
  readonly cwd: string;
}

export interface CliGiven extends Partial<Omit<CliIo, 'stdout' | 'stderr' | 'cwd'>> {
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  readonly cwd?: string;
  readonly registry?: () => Promise<Registry>;
}

/** Runs a command line in this process, in a folder and a home of its own. */
export async function cli(argv: readonly string[], given: CliGiven = {}): Promise<CliOutcome> {
  const { files, registry = () => Promise.resolve(testRegistry), cwd = await workspace(files), env = {}, ...io } = given;
  const stdout = new Capture();
  const stderr = new Capture();
  const code = await main(
    argv,
    {
      signal: new AbortController().signal,
      isInteractive: false,
      isRoot: false,
      ...io,
      stdout,
      stderr,
      cwd,
      env: { HOME: join(cwd, 'home'), ...env },
    },
    registry,
  );
  return { code, stdout: stdout.text, stderr: stderr.text, cwd };
}

class Capture implements TextOutput {
  text = '';

  write(text: string): void {
    this.text += text;
  }
}
