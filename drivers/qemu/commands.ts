import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type BuildDirs, type PreviewLine, quote } from '../../src/core/index.ts';
import { type CreateRequest, createArgs } from '../../src/io/qemu-img.ts';

/** Makes the copy-on-write disk: the base below it is only ever read. */
export function overlayArgv(request: CreateRequest): readonly string[] {
  return ['qemu-img', ...createArgs(request)];
}

/** Appends commands to commands.log in a form that a shell takes back. */
export async function logCommands(lines: readonly PreviewLine[], dirs: Pick<BuildDirs, 'logs'>): Promise<void> {
  const text = lines.map(({ title, argv }) => `# ${title}\n${argv.map(quote).join(' ')}\n\n`).join('');
  await appendFile(join(dirs.logs, 'commands.log'), text, { mode: 0o600 });
}
