import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runGo, toolchainFor } from '../kubernetes/go.mjs';

/** What the newest of the modules here asks for. */
const NEEDED_GO = '1.26.3';

export function canCompileReleases(): boolean {
  return toolchainFor(NEEDED_GO) !== undefined;
}

interface GoPrograms {
  /** `example.org/module@v1.2.3`. */
  readonly module: string;
  /** Folders in it, `cmd/program`. */
  readonly programs: readonly string[];
  readonly ldflags?: string;
  readonly tags?: readonly string[];
  /** Whether the programs have parts in C. */
  readonly cgo?: boolean;
}

/**
 * Compiles programs from Go's module proxy into the folder `bin`: real ones, but not the official bytes. Not by `go install`, which asks for the
 * list of a module's versions, and not every proxy has that.
 */
export async function compile(
  bin: string,
  { module, programs, ldflags = '', tags = [], cgo = false }: GoPrograms,
): Promise<void> {
  const work = mkdtempSync(join(tmpdir(), 'kib-go-'));
  try {
    const { Dir, GoMod } = await download(module);
    const [path = ''] = module.split('@');
    // Copies of their own mode: what is in the module cache cannot be written to.
    writeFileSync(join(work, 'go.mod'), readFileSync(GoMod));
    writeFileSync(join(work, 'go.sum'), readFileSync(join(Dir, 'go.sum')));
    await go(work, ['mod', 'edit', '-module=kib.test/programs', `-require=${module}`]);
    mkdirSync(bin, { recursive: true });
    const flags = ['-trimpath', '-buildvcs=false', `-tags=${tags.join(' ')}`, `-ldflags=-s -w ${ldflags}`.trimEnd()];
    const packages = programs.map((program) => `${path}/${program}`);
    await go(work, ['build', '-mod=mod', ...flags, '-o', `${bin}/`, ...packages], { CGO_ENABLED: cgo ? '1' : '0' });
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** The folder with the sources of `module@version`. */
export async function goSources(module: string): Promise<string> {
  return (await download(module)).Dir;
}

async function download(module: string): Promise<{ readonly Dir: string; readonly GoMod: string }> {
  return JSON.parse(await go('/', ['mod', 'download', '-json', module])) as { readonly Dir: string; readonly GoMod: string };
}

async function go(cwd: string, args: string[], env: Readonly<Record<string, string>> = {}): Promise<string> {
  return runGo(args, {
    cwd,
    env: { ...process.env, GOTOOLCHAIN: toolchainFor(NEEDED_GO), GOFLAGS: '', GOWORK: 'off', ...env },
    signal: undefined,
    onLine: () => {},
  });
}
